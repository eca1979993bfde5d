"""A broker whose API is protected by Remit: an order passes only with the approval of exactly that order."""

from remit_demo.broker.app import create_app
from remit_demo.broker.book import Book, Depot, Order
from remit_demo.broker.market import Market

__all__ = ["Book", "Depot", "Market", "Order", "create_app"]
