"""Account numbers, what is paid of what is owed, and the file for the bank: pure."""
