"""What only tests import: handling of processes, and later a fake clock and a fault proxy."""
