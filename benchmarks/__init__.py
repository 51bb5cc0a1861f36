"""What this project costs, and how it fares on real models."""
