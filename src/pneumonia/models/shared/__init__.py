"""What several networks share: their ends, their settings, their weights, their building."""
