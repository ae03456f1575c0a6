"""What clocks show: local times, zones, business hours, and schedules that repeat on them."""
