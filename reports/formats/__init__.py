"""A report in the formats that machines around it read: code scanning, test reports, annotations and comments."""
