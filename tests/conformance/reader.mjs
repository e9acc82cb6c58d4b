// The npm package `eventsource`, or our source over fetch: JSON lines on stdin open sources, JSON lines on stdout are
// events.
import {createInterface} from 'node:readline'
import {createRequire} from 'node:module'
import {pathToFileURL} from 'node:url'

import {FetchSource} from '../../static/js/connector/visitor/fetch_source.js'

const require = createRequire(pathToFileURL(process.cwd() + '/'))
const {EventSource} = require('eventsource')
const open = new Map()
const report = (message) => process.stdout.write(JSON.stringify(message) + '\n')

createInterface({input: process.stdin})
  .on('line', (line) => {
    const {key, url, names, headers, over} = JSON.parse(line)
    if (!url) {
      open.get(key)?.close()
      return
    }
    const withHeaders = (input, init) => fetch(input, {...init, headers: {...init.headers, ...headers}})
    const source =
      over === 'fetch' ? new FetchSource(url, {headers: () => headers}) : new EventSource(url, {fetch: withHeaders})
    open.set(key, source)
    const fired = (event) =>
      report({key, type: event.type, data: event.data, id: event.lastEventId})
    for (const name of new Set(['message', ...names])) source.addEventListener(name, fired)
    source.addEventListener('error', () => report({key, failed: true, for_good: source.readyState === 2}))
  })
  .on('close', () => process.exit())
