"""The local venue: a process on this machine that speaks an exchange's protocol, with the simulated exchange inside.

`core` knows customers, orders and the market in ticks and lots; a face (`binanceusdm`, `bitfinex`, `hyperliquid`)
speaks one exchange's protocol for it; `feed` plays market data; `faults` makes things go wrong as a file says.
"""
