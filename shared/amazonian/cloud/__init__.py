"""The AWS front door: one endpoint that speaks AWS's own protocols."""
