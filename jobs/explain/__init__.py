"""Why an order is another than it was: the series planned again, one input after the other exchanged."""
