"""What is kept: telemetry as bucketed Parquet, operations in SQL."""
