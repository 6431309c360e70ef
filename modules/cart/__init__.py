"""Keep what shoppers mean to buy, priced by the shop."""
