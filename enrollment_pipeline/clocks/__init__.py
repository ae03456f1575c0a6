"""What clocks show: local times, zones and business hours."""
