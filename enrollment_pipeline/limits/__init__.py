"""How much of a target an account may use at a time: budgets and lane slots."""
