// Optional improvements: the page is complete without this script.
'use strict';

(() => {
  // === Times: local or UTC ===

  const localZone = Intl.DateTimeFormat().resolvedOptions().timeZone || 'local time';
  const two = (number) => String(number).padStart(2, '0');

  // Without storage, as in private windows, the choice lasts as long as the page.
  const remembered = {
    get() { try { return localStorage.getItem('zone'); } catch { return null; } },
    set(zone) { try { localStorage.setItem('zone', zone); } catch { /* see above */ } },
  };

  // If local time is UTC, there is no choice.
  const isUtc = new Date().getTimezoneOffset() === 0 && /^(Etc\/)?(UTC|UCT|GMT|Zulu)$/.test(localZone);
  let utc = isUtc || remembered.get() === 'utc';

  const parts = (date) => utc
    ? [date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate(), date.getUTCHours(), date.getUTCMinutes(), date.getUTCSeconds()]
    : [date.getFullYear(), date.getMonth() + 1, date.getDate(), date.getHours(), date.getMinutes(), date.getSeconds()];

  const clock = (date) => parts(date).slice(3).map(two).join(':');
  const whole = (date) => `${parts(date).slice(0, 3).map(two).join('-')} ${clock(date)}${utc ? ' UTC' : ''}`;

  const showTimes = () => {
    for (const time of document.querySelectorAll('time[datetime]')) {
      const date = new Date(time.dateTime);
      time.textContent = time.className === 'short' ? whole(date).slice(5, 16) : whole(date);
      time.title = date.toISOString().replace('.000', '');
    }
    for (const mark of document.querySelectorAll('text[data-at]')) {
      mark.textContent = clock(new Date(mark.dataset.at * 1000)).slice(0, 5);
    }
    for (const name of document.querySelectorAll('.zone-name')) name.textContent = utc ? 'UTC' : localZone;
    const place = document.getElementById('zone-of-times');
    place.replaceChildren(`Times are in ${utc ? 'UTC' : localZone}. `, ...isUtc ? [] : [zone]);
    zone.textContent = utc ? 'Show local time' : 'Show UTC';
  };

  const zone = document.createElement('button');
  zone.id = 'zone';
  zone.type = 'button';
  zone.addEventListener('click', () => {
    utc = !utc;
    remembered.set(utc ? 'utc' : 'local');
    showTimes();
    zone.focus();
  });
  showTimes();

  // === Charts: tooltips by mouse and keyboard ===

  const tip = document.getElementById('tip');
  const date = (seconds) => new Date(seconds * 1000);

  // The title of the cell with times in the chosen zone.
  const describe = (cell) => {
    const [, what] = cell.querySelector('title').textContent.split(/ UTC: (.*)/s);
    return `${clock(date(cell.dataset.from))} to ${clock(date(cell.dataset.to))}${utc ? ' UTC' : ''}: ${what}`;
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
  if (!renewal) return;
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
    words.textContent = problem + (paused ? 'The page does not renew itself. ' : `The page renews itself every ${period()} s. `);
  };

  // Content in use stays: under the keyboard's focus, a tooltip or a selection.
  const isInUse = () => {
    const main = document.querySelector('main');
    return document.hidden || !tip.hidden || main.contains(document.activeElement)
      || (!getSelection().isCollapsed && main.contains(getSelection().anchorNode));
  };

  const renew = async () => {
    if (!isInUse()) {
      try {
        const answer = await fetch(location.href);
        const html = await answer.text();
        // An answer without a page, such as that of a proxy, fails too.
        const next = new DOMParser().parseFromString(html, 'text/html');
        const main = next.querySelector('main');
        failed = !main || !next.body.dataset.renewal;
        if (!failed && !isInUse()) {
          const scrolled = [...document.querySelectorAll('.scroll')].map((box) => box.scrollLeft);
          document.querySelector('main').replaceWith(main);
          document.querySelectorAll('.scroll').forEach((box, at) => { box.scrollLeft = scrolled[at] ?? 0; });
          document.body.dataset.renewal = next.body.dataset.renewal;
          showTimes();
          bindContent();
        }
      } catch {
        failed = true;
      }
    }
    schedule();
  };

  pause.addEventListener('click', () => {
    paused = !paused;
    schedule();
  });
  document.addEventListener('visibilitychange', () => { if (!document.hidden && !paused) renew(); });
  renewal.replaceChildren(words, pause);
  schedule();
})();
