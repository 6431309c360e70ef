"""The durable processes of orders: pure functions, the calls they make, what they change here."""
