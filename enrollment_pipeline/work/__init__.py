"""What all work shares that is asked for now and done later: its request, its time, its turn."""
