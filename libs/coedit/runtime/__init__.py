"""What every process needs: settings, logs, metrics, health, an orderly start and stop."""
