"""Exchanges over the network: one client for each, all behind `adapters.exchanges.port.Exchange`."""
