"""The packed films, read back by the stages that follow."""
