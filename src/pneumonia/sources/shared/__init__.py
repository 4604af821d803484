"""What several sources share: downloads, archives, folders, and what data/raw holds."""
