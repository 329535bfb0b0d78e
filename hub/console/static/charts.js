// Draws what the block of data beside a chart says; the same figures stand in a table on the same page.
(() => {
  // as a canvas understands them: a variable may hold what only a stylesheet can read
  const computed = (selector, name) => getComputedStyle(document.querySelector(selector)).getPropertyValue(name);
  const drawn = [];

  function axis(name, side, ink, isWhole) {
    return {
      type: "value", name, position: side, minInterval: isWhole ? 1 : 0,
      axisLabel: { color: ink }, nameTextStyle: { color: ink },
      splitLine: { show: side === "left", lineStyle: { color: ink, opacity: 0.15 } },
    };
  }

  function option(data) {
    const ink = computed("body", "color");
    const card = computed(".card", "background-color");
    return {
      animation: false,
      textStyle: { color: ink, fontFamily: computed("body", "font-family") },
      tooltip: { trigger: "axis", renderMode: "richText", backgroundColor: card, textStyle: { color: ink } },
      legend: { top: 0, textStyle: { color: ink } },
      grid: { left: 8, right: 8, top: 48, bottom: 8, containLabel: true },
      color: ["#206bc4", "#f59f00", "#d63939", "#2fb344"],
      xAxis: { type: "category", data: data.labels, axisLabel: { color: ink } },
      yAxis: [axis(data.unit || "", "left", ink, data.is_whole), ...(data.unit2 ? [axis(data.unit2, "right", ink)] : [])],
      series: data.series.map((one) => ({ ...one, yAxisIndex: one.axis || 0, barMaxWidth: 48 })),
    };
  }

  function draw() {
    if (!window.echarts) return;
    for (const place of document.querySelectorAll("[data-chart]")) {
      const data = JSON.parse(document.getElementById(place.dataset.chart).textContent);
      const chart = echarts.getInstanceByDom(place) || echarts.init(place);
      chart.setOption(option(data), true);
      if (!drawn.includes(chart)) drawn.push(chart);
    }
  }

  addEventListener("resize", () => { for (const chart of drawn) chart.resize(); });
  document.addEventListener("hub:theme", draw);
  draw();
})();
