"""The chart library of the report, unchanged from elsewhere.

`lightweight-charts.standalone.production.js` is the standalone production build of the npm package
lightweight-charts 5.2.1 by TradingView, under the Apache License 2.0 (`LICENSE`). Every report shows the
attribution of `NOTICE` with a link to https://www.tradingview.com/.
"""
