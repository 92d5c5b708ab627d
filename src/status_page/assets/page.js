// Optional improvements: the page is complete without this script.
'use strict';

(() => {
  // === Times: in the zone of the browser, of a schedule, or UTC ===

  // Without storage, as in private windows, the choice lasts as long as the page.
  const remembered = {
    get() { try { return localStorage.getItem('zone'); } catch { return null; } },
    set(zone) { try { localStorage.setItem('zone', zone); } catch { /* see above */ } },
  };

  const format = (timeZone) => new Intl.DateTimeFormat('en-GB', {
    timeZone, hourCycle: 'h23', year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit',
  });
  const isKnown = (zone) => { try { return Boolean(format(zone)); } catch { return false; } };

  const place = document.getElementById('zone-of-times');
  const browserZone = Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';
  const own = /^(Etc\/)?(UTC|UCT|GMT|Zulu)$/.test(browserZone) ? 'UTC' : browserZone;
  const zones = [...new Set([own, ...place.dataset.zones.split(' '), 'UTC'])].filter((zone) => zone && isKnown(zone));
  let zone = zones.includes(remembered.get()) ? remembered.get() : own;

  const clockTime = (seconds) => [seconds / 3600, seconds / 60 % 60, seconds % 60].map(Math.floor)
    .map((part, at) => String(part).padStart(at && 2, '0')).join(':');
  const parts = (date) => Object.fromEntries(format(zone).formatToParts(date).map(({ type, value }) => [type, value]));
  const clock = (date) => { const { hour, minute, second } = parts(date); return `${hour}:${minute}:${second}`; };
  const day = (date) => { const { year, month, day } = parts(date); return `${year}-${month}-${day}`; };
  const utc = () => (zone === 'UTC' ? ' UTC' : '');

  // The minute of UTC at which an hour of the zone begins: columns of charts begin there.
  const columns = () => {
    const now = new Date();
    return (60 + now.getUTCMinutes() - Number(parts(now).minute)) % 60;
  };

  const showTimes = () => {
    for (const time of document.querySelectorAll('time[datetime]')) {
      const date = new Date(time.dateTime);
      const text = `${day(date)} ${clock(date)}${utc()}`;
      time.textContent = time.className === 'short' ? text.slice(5, 16) : text;
      time.title = date.toISOString().replace('.000', '');
    }
    for (const mark of document.querySelectorAll('text[data-at]')) {
      mark.textContent = clock(new Date(mark.dataset.at * 1000)).slice(0, 5);
    }
    for (const name of document.querySelectorAll('.zone-name')) name.textContent = zone;
  };

  const choice = document.createElement('select');
  choice.id = 'zone';
  choice.append(...zones.map((name) => {
    const is = [name === own ? 'browser' : '', place.dataset.zones.split(' ').includes(name) ? 'schedule' : ''].filter(Boolean);
    return new Option(is.length ? `${name} (${is.join(', ')})` : name, name, false, name === zone);
  }));
  choice.addEventListener('change', () => {
    zone = choice.value;
    remembered.set(zone);
    showTimes();
    align();
  });
  if (zones.length > 1) {
    const label = document.createElement('label');
    label.append('Times in ', choice);
    place.replaceChildren(label);
  }
  showTimes();

  // === Charts: tooltips by mouse and keyboard ===

  const tip = document.getElementById('tip');
  const date = (seconds) => new Date(seconds * 1000);

  // The title of the cell with times in the chosen zone; with dates, if the title has them.
  const describe = (cell) => {
    const [times, what] = cell.querySelector('title').textContent.split(/ UTC: (.*)/s);
    const [from, to] = [date(cell.dataset.from), date(cell.dataset.to)]
      .map((moment) => (times.includes('-') ? `${day(moment)} ${clock(moment)}` : clock(moment)));
    return `${from} to ${to}${utc()}: ${what}`;
  };

  const leave = () => {
    document.querySelector('.cell.here')?.classList.remove('here');
    tip.hidden = true;
  };

  const point = (cell) => {
    leave();
    cell.classList.add('here');
    tip.textContent = describe(cell);
    // The tooltip must not cover its chart.
    tip.classList.toggle('up', cell.getBoundingClientRect().top > innerHeight / 2);
    tip.hidden = false;
  };

  const steps = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };

  const bindChart = (chart) => {
    const cells = [...chart.querySelectorAll('.cell')];
    if (cells.length === 0) return;
    // A press also focuses the chart; the pressed cell is shown.
    let pressed = null;
    const cellOf = (event) => (event.target.matches('.cell') ? event.target : null);
    chart.addEventListener('pointerover', (event) => { if (cellOf(event)) point(cellOf(event)); });
    chart.addEventListener('pointerdown', (event) => { pressed = cellOf(event); });
    chart.addEventListener('click', (event) => {
      if (cellOf(event)) point(cellOf(event));
      pressed = null;
    });
    chart.addEventListener('pointerleave', (event) => { if (event.pointerType === 'mouse') leave(); });
    chart.addEventListener('focus', () => point(pressed ?? cells[cells.length - 1]));
    chart.addEventListener('blur', leave);
    chart.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') leave();
      if (!(event.key in steps)) return;
      event.preventDefault();
      const here = cells.findIndex((cell) => cell.classList.contains('here'));
      const next = (here < 0 ? cells.length - 1 : here) + steps[event.key];
      point(cells[Math.min(Math.max(next, 0), cells.length - 1)]);
    });
  };

  // === Queries: copy buttons ===

  const addCopyButton = (query) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'copy';
    button.textContent = 'Copy';
    button.addEventListener('click', async () => {
      const code = query.querySelector('code');
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = 'Copied';
      } catch {
        // Browsers give the clipboard to secure origins only; selected text can be copied everywhere.
        getSelection().selectAllChildren(code);
        button.textContent = 'Selected: press Ctrl+C';
      }
    });
    query.after(button);
  };

  const bindContent = () => {
    document.querySelectorAll('svg.sparkline, svg.chart').forEach(bindChart);
    document.querySelectorAll('pre.promql').forEach(addCopyButton);
  };
  bindContent();

  // === Renewal: newer content without a reload ===

  const renewal = document.getElementById('renewal');
  const pause = document.createElement('button');
  pause.id = 'pause';
  pause.type = 'button';
  const words = document.createElement('span');
  let paused = false;
  let timer = null;
  let failed = false;

  const period = () => Number(document.body.dataset.renewal);
  const schedule = () => {
    clearTimeout(timer);
    if (!paused) timer = setTimeout(renew, period() * 1000);
    pause.textContent = paused ? 'Renew' : 'Pause';
    const problem = failed ? 'The last renewal failed. ' : '';
    words.textContent = problem + (paused ? 'The page does not renew itself. ' : `The page renews itself every ${clockTime(period())}. `);
  };

  // Content in use stays: under the keyboard's focus, a tooltip or a selection.
  const isInUse = () => {
    const main = document.querySelector('main');
    return document.hidden || !tip.hidden || main.contains(document.activeElement)
      || (!getSelection().isCollapsed && main.contains(getSelection().anchorNode));
  };

  // The address of the page with columns on the hour of the zone.
  const address = () => {
    const url = new URL(location.href);
    if (columns() > 0) url.searchParams.set('columns', columns());
    return url;
  };

  const renew = async (isForced = false) => {
    if (isForced || !isInUse()) {
      try {
        const answer = await fetch(address());
        const html = await answer.text();
        // An answer without a page, such as that of a proxy, fails too.
        const next = new DOMParser().parseFromString(html, 'text/html');
        const main = next.querySelector('main');
        failed = !main || !next.body.dataset.renewal;
        if (!failed && (isForced || !isInUse())) {
          const scrolled = [...document.querySelectorAll('.scroll')].map((box) => box.scrollLeft);
          document.querySelector('main').replaceWith(main);
          document.querySelectorAll('.scroll').forEach((box, at) => { box.scrollLeft = scrolled[at] ?? 0; });
          Object.assign(document.body.dataset, next.body.dataset);
          showTimes();
          bindContent();
        }
      } catch {
        failed = true;
      }
    }
    schedule();
  };

  const align = () => { if (renewal && columns() !== Number(document.body.dataset.columns)) renew(true); };
  if (!renewal) return;

  pause.addEventListener('click', () => {
    paused = !paused;
    schedule();
  });
  document.addEventListener('visibilitychange', () => { if (!document.hidden && !paused) renew(); });
  renewal.replaceChildren(words, pause);
  schedule();
  align();
})();
