/** Runs in the browser. Everything from the node is set as text, never as markup: names in it come from strangers. */
export const script = String.raw`
'use strict';
const byId = (id) => document.getElementById(id);
const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
function bytes(count) {
  let value = count, unit = 0;
  while (value >= 1024 && unit < units.length - 1) { value /= 1024; unit++; }
  return value.toFixed(unit === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2) + ' ' + units[unit];
}
const short = (digest) => digest.slice(0, digest.indexOf(':') + 13);
function duration(seconds) {
  const days = Math.floor(seconds / 86400), hours = Math.floor(seconds / 3600) % 24, minutes = Math.floor(seconds / 60) % 60;
  return days > 0 ? days + ' d ' + hours + ' h' : hours > 0 ? hours + ' h ' + minutes + ' min' : minutes > 0 ? minutes + ' min' : Math.floor(seconds) + ' s';
}
function set(id, text, tone) {
  const element = byId(id);
  if (element.textContent !== text) element.textContent = text;
  if (tone) element.dataset.tone = tone; else delete element.dataset.tone;
}
function cell(value, column) {
  const td = document.createElement('td');
  if (column.number) td.className = 'number';
  if (column.name) { td.className = 'name'; td.title = column.title ? column.title : String(value); }
  if (value instanceof Node) td.append(value); else td.textContent = value;
  return td;
}
function table(id, columns, rows, empty) {
  const head = document.createElement('tr');
  for (const column of columns) {
    const th = document.createElement('th');
    th.textContent = column.label; th.scope = 'col';
    if (column.number) th.className = 'number';
    head.append(th);
  }
  const body = rows.map((row) => {
    const tr = document.createElement('tr');
    for (const column of columns) tr.append(cell(column.value(row), column));
    return tr;
  });
  if (rows.length === 0) {
    const tr = document.createElement('tr'), td = document.createElement('td');
    td.colSpan = columns.length; td.className = 'empty'; td.textContent = empty;
    tr.append(td); body.push(tr);
  }
  byId(id).replaceChildren(...(rows.length === 0 ? [] : [head]), ...body);
}
function bar(row) {
  const element = document.createElement('progress');
  if (row.sizeBytes !== null) { element.max = Math.max(1, row.sizeBytes); element.value = row.sizeBytes === 0 ? 1 : row.haveBytes; }
  return element;
}
function show(status) {
  document.title = 'layerswarm ' + status.zone + ' (' + status.peers.length + ' peers)';
  set('node', status.peerId + ' · zone ' + status.zone + ' · version ' + status.version + ' · up ' + duration(status.uptimeSeconds));
  set('origin', status.origin.url ? status.origin.url.replace('embedded:', 'member ').replace(/^(member .{6}).*(.{6})$/, '$1…$2') : 'none known', status.origin.state === 'ok' ? undefined : status.origin.state === 'unknown' ? 'warn' : 'bad');
  set('origin-detail', status.origin.state + (status.origin.reason ? ': ' + status.origin.reason : ', ' + status.origin.source));
  const t = status.traffic, received = t.fromOriginBytes + t.fromPeersBytes, share = received === 0 ? 0 : t.fromPeersBytes / received;
  set('saved', bytes(t.fromPeersBytes));
  set('saved-detail', received === 0 ? 'nothing received yet' : Math.round(share * 100) + ' % of what came; ' + bytes(t.fromOriginBytes) + ' from the origin');
  byId('saved-bar').style.width = share * 100 + '%';
  set('given', bytes(t.toPeersBytes));
  set('given-detail', 'to peers; ' + bytes(t.toClientsBytes) + ' to clients');
  set('store', bytes(status.store.bytes));
  set('store-detail', status.store.blobs + ' blobs' + (status.store.maxBytes === null ? '' : ', limit ' + bytes(status.store.maxBytes))
    + (status.store.partial ? ', ' + status.store.partial + ' unfinished' : '') + (status.store.pinned ? ', ' + status.store.pinned + ' pinned' : '')
    + (status.containerd ? '; ' + bytes(status.containerd.bytes) + ' more in ' + status.containerd.blobs + ' blobs of containerd' + (status.containerd.state === 'ok' ? '' : ' (' + status.containerd.state + ')') : ''));
  byId('store-bar').style.width = (status.store.maxBytes ? Math.min(1, status.store.bytes / status.store.maxBytes) * 100 : 0) + '%';
  table('transfers', [
    { label: 'Blob', name: true, value: (row) => short(row.digest) },
    { label: 'Repository', name: true, value: (row) => row.repository },
    { label: 'State', value: (row) => row.state },
    { label: 'Progress', value: bar },
    { label: 'Have', number: true, value: (row) => bytes(row.haveBytes) + (row.sizeBytes === null ? '' : ' of ' + bytes(row.sizeBytes)) },
    { label: 'From origin', number: true, value: (row) => bytes(row.fromOriginBytes) },
    { label: 'From peers', number: true, value: (row) => bytes(row.fromPeersBytes) },
    { label: 'Rate', number: true, value: (row) => bytes(row.bytesPerSecond) + '/s' },
  ], status.transfers, 'No transfer is running.');
  table('images', [
    { label: 'Reference', name: true, value: (row) => row.reference },
    { label: 'Digest', name: true, value: (row) => short(row.digest) },
    { label: 'Size', number: true, value: (row) => bytes(row.sizeBytes) },
    { label: 'Here', value: (row) => row.complete ? 'complete' : 'partly' },
  ], status.images, 'No image is here yet.');
  table('peers', [
    { label: 'Peer', name: true, value: (row) => row.peerId },
    { label: 'Address', name: true, value: (row) => row.address.split('/p2p/')[0] },
    { label: 'Zone', value: (row) => row.zone },
    { label: 'Lane', value: (row) => row.lane },
    { label: 'Latency', number: true, value: (row) => row.latencyMs === null ? '' : row.latencyMs.toFixed(1) + ' ms' },
    { label: 'Received', number: true, value: (row) => bytes(row.receivedBytes) },
    { label: 'Sent', number: true, value: (row) => bytes(row.sentBytes) },
    { label: 'Bad pieces', number: true, value: (row) => String(row.badPieces) },
  ], status.peers, 'No peer is connected.');
  byId('ban-section').hidden = status.bans.length === 0;
  table('bans', [
    { label: 'Peer', name: true, value: (row) => row.peerId },
    { label: 'Reason', value: (row) => row.reason },
    { label: 'Until', value: (row) => new Date(row.until).toLocaleString() },
  ], status.bans, '');
}
const link = byId('link');
const events = new EventSource('/api/v1/events');
events.addEventListener('status', (event) => { show(JSON.parse(event.data)); link.dataset.state = 'live'; link.textContent = 'live'; });
events.addEventListener('error', () => { link.dataset.state = 'lost'; link.textContent = 'connection lost, trying again'; });
`;
