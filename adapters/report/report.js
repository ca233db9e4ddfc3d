// Draws the charts of a report and sorts its tables. All data is in the page; text only ever becomes textContent.
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  const library = window.LightweightCharts;
  const redraws = [];

  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const numbers = (digits) => new Intl.NumberFormat("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const moment = (time) => new Date(time * 1000).toISOString().slice(0, 19).replace("T", " ");

  function makeChart(box) {
    return library.createChart(box, {
      autoSize: true,
      layout: {
        background: { color: "transparent" }, textColor: color("--quiet"), fontSize: 12, attributionLogo: true,
        panes: { separatorColor: color("--line"), enableResize: false },
      },
      grid: { vertLines: { color: color("--grid") }, horzLines: { color: color("--grid") } },
      rightPriceScale: { borderColor: color("--line") },
      timeScale: {
        borderColor: color("--line"), timeVisible: true, secondsVisible: data.seconds_visible, minBarSpacing: 0.05,
      },
      crosshair: { mode: library.CrosshairMode.Normal },
      localization: { locale: "en" },
    });
  }

  // A card whose tabs choose what is drawn; `draw(chart, item, readout)` draws one item.
  function card(name, items, draw) {
    const section = document.getElementById(name);
    if (!section || items.length === 0) return;
    const tabs = section.querySelector(".tabs");
    const box = section.querySelector(".chart");
    const readout = section.querySelector(".readout");
    let chart = null;
    let chosen = 0;
    const redraw = () => {
      if (chart) chart.remove();
      chart = makeChart(box);
      readout.textContent = "";
      draw(chart, items[chosen], readout);
      chart.timeScale().fitContent();
      // A new size keeps the bars' width: show the whole run again, once the size is taken over.
      chart.timeScale().subscribeSizeChange(() => requestAnimationFrame(() => chart.timeScale().fitContent()));
    };
    if (items.length > 1) {
      items.forEach((item, index) => {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = item.name;
        button.setAttribute("aria-selected", String(index === chosen));
        button.addEventListener("click", () => {
          chosen = index;
          [...tabs.children].forEach((tab, i) => tab.setAttribute("aria-selected", String(i === index)));
          redraw();
        });
        tabs.append(button);
      });
    }
    redraws.push(redraw);
    redraw();
  }

  // What marks tell of each row of a chart.
  function byRow(marks) {
    const told = new Map();
    marks.forEach((m) => told.set(m.row, (told.get(m.row) || "") + "   " + m.text));
    return told;
  }

  // Breakers that tripped, by name; one that trips again on the same row is named once.
  function tripMarkers(item) {
    const named = new Set();
    return item.trips.filter((m) => !named.has(m.row + m.name) && named.add(m.row + m.name)).map((m) => ({
      time: item.times[m.row], position: "aboveBar", shape: "arrowDown", color: color("--down"), text: m.name,
    }));
  }

  function drawEquity(chart, item, readout) {
    const money = numbers(item.digits);
    const priceFormat = { type: "custom", minMove: 10 ** -item.digits, formatter: (value) => money.format(value) };
    const equity = chart.addSeries(library.AreaSeries, {
      lineColor: color("--accent"), topColor: color("--fill"), bottomColor: "transparent", lineWidth: 2,
      priceFormat, priceLineVisible: false,
    });
    equity.setData(item.times.map((time, i) => ({ time, value: item.equity[i] })));
    const fall = chart.addSeries(library.BaselineSeries, {
      baseValue: { type: "price", price: 0 }, lineWidth: 1, topLineColor: color("--down"),
      bottomLineColor: color("--down"), topFillColor1: "transparent", topFillColor2: "transparent",
      bottomFillColor1: color("--fall"), bottomFillColor2: color("--fall"), priceLineVisible: false,
      lastValueVisible: false,
      priceFormat: { type: "custom", minMove: 0.01, formatter: (value) => value.toFixed(2) + " %" },
    }, 1);
    fall.setData(item.times.map((time, i) => ({ time, value: item.drawdown[i] })));
    library.createSeriesMarkers(equity, tripMarkers(item));
    const told = byRow(item.trips);
    const panes = chart.panes();
    panes[0].setStretchFactor(2.4);
    panes[1].setStretchFactor(1);
    const show = (i) => {
      readout.textContent = `${moment(item.times[i])}   equity ${money.format(item.equity[i])} ${item.name}` +
        `   drawdown ${item.drawdown[i].toFixed(2)} %${told.get(i) || ""}`;
    };
    follow(chart, equity, item.times, show);
  }

  function drawPrice(chart, item, readout) {
    const price = numbers(item.digits);
    const priceFormat = { type: "custom", minMove: item.tick, formatter: (value) => price.format(value) };
    let series;
    if (item.is_line) {
      series = chart.addSeries(library.LineSeries, { color: color("--quiet"), lineWidth: 1, priceFormat, priceLineVisible: false });
      series.setData(item.times.map((time, i) => ({ time, value: item.close[i] })));
    } else {
      series = chart.addSeries(library.CandlestickSeries, {
        upColor: color("--up"), downColor: color("--down"), wickUpColor: color("--up"), wickDownColor: color("--down"),
        borderVisible: false, priceFormat, priceLineVisible: false,
      });
      series.setData(item.times.map((time, i) => (
        { time, open: item.open[i], high: item.high[i], low: item.low[i], close: item.close[i] })));
    }
    const told = byRow([...item.markers, ...item.trips]);
    const shapes = { stop: "square", target: "circle" };
    const fills = item.markers.map((m) => ({
      time: item.times[m.row],
      position: m.is_buy ? "belowBar" : "aboveBar",
      shape: shapes[m.leg] || (m.is_buy ? "arrowUp" : "arrowDown"),
      color: m.is_buy ? color("--accent") : color("--sell"),
      size: item.markers.length > 200 ? 0.6 : 1,
    }));
    library.createSeriesMarkers(series, [...fills, ...tripMarkers(item)].sort((a, b) => a.time - b.time));
    const left = item.markers_left_out;
    document.getElementById("left-out").textContent = left ? ` ${numbers(0).format(left)} later arrows are left out.` : "";
    const show = (i) => {
      const bar = item.is_line ? price.format(item.close[i])
        : `O ${price.format(item.open[i])}  H ${price.format(item.high[i])}  L ${price.format(item.low[i])}  C ${price.format(item.close[i])}`;
      readout.textContent = `${moment(item.times[i])}   ${bar}${told.get(i) || ""}`;
    };
    follow(chart, series, item.times, show);
  }

  // Tell of the point under the crosshair, of the last one otherwise.
  function follow(chart, series, times, show) {
    const rows = new Map(times.map((time, i) => [time, i]));
    const last = times.length - 1;
    chart.subscribeCrosshairMove((at) => {
      const row = at.time === undefined ? last : rows.get(at.time);
      if (row !== undefined) show(row);
    });
    show(last);
  }

  function makeSortable(table) {
    const body = table.tBodies[0];
    [...table.tHead.rows[0].cells].forEach((cell, column) => {
      const button = cell.querySelector("button");
      if (!button) return;
      button.addEventListener("click", () => {
        const descending = cell.getAttribute("aria-sort") === "ascending";
        const key = (row) => row.cells[column].dataset.key ?? row.cells[column].textContent;
        const isNumber = !cell.classList.contains("text");
        const rows = [...body.rows].sort((a, b) => (isNumber ? Number(key(a)) - Number(key(b)) : key(a).localeCompare(key(b))));
        [...table.tHead.rows[0].cells].forEach((other) => other.removeAttribute("aria-sort"));
        cell.setAttribute("aria-sort", descending ? "descending" : "ascending");
        body.append(...(descending ? rows.reverse() : rows));
      });
    });
  }

  card("equity", data.equity, drawEquity);
  card("price", data.prices, drawPrice);
  document.querySelectorAll("table.sortable").forEach(makeSortable);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => redraws.forEach((redraw) => redraw()));
})();
