"""What evaluation writes: tables, pictures, the page, the model card."""
