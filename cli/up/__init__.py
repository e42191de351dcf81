"""Everything on one machine from one command: Valkey, database, api, scheduler and agent, supervised."""
