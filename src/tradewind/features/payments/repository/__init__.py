"""SQL of payments, by table. Whoever changes a wallet locks its row first."""
