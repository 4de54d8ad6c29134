"""How the operator's commands are presented: REST and nrcmd. Everything derives from ``cluster.registry``."""
