"""Tables, figures and pages, made of stored records."""
