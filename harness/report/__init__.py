"""The report: static pages of tables, plots and stories."""
