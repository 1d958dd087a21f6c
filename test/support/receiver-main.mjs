// A receiver of webhooks, as somebody else might have written it: keeps what comes, and behaves as it is told. Plain Node, nothing of Alyx.
import { createHmac, timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'

const [secret = ''] = process.argv.slice(2)
const received = []
const redirected = []
let behaviour = 'take'
let closedEarly = 0

function isSigned(headers, body) {
  const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`
  const wanted = Buffer.from(createHmac('sha256', secret).update(signed).digest('base64'))
  return String(headers['webhook-signature'])
    .split(' ')
    .some((entry) => {
      const given = Buffer.from(entry.replace(/^v1,/, ''))
      return given.length === wanted.length && timingSafeEqual(given, wanted)
    })
}

const server = createServer(async (request, response) => {
  let body = ''
  for await (const chunk of request) body += chunk
  const { url, headers } = request
  if (url === '/received') return response.end(JSON.stringify({ received, redirected, closedEarly }))
  if (url?.startsWith('/behave/')) {
    behaviour = url.slice('/behave/'.length)
    return response.end()
  }
  if (url === '/elsewhere') {
    redirected.push(body)
    return response.end()
  }
  const parsed = JSON.parse(body)
  const { data } = parsed
  const entry = {
    id: headers['webhook-id'],
    type: parsed.type,
    subject: data.file?.id ?? data.upload.id,
    name: data.file?.name ?? data.upload.name,
    behaviour,
    signed: isSigned(headers, body) && parsed.id === headers['webhook-id'],
    at: Number(headers['webhook-timestamp']),
    data,
  }
  received.push(entry)
  if (behaviour === 'hang') return
  if (behaviour === 'fail') return response.writeHead(500).end('no')
  if (behaviour === 'redirect') return response.writeHead(307, { location: '/elsewhere' }).end()
  if (behaviour === 'drop') return request.socket.destroy()
  if (behaviour === 'rubbish') return request.socket.end('HTTP/9 what\r\n\r\n')
  if (behaviour === 'twice')
    return request.socket.end(
      'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 500 No\r\ncontent-length: 2\r\n\r\nno',
    )
  if (behaviour === 'endless') {
    response.on('close', () => {
      closedEarly += 1
    })
    const more = () => {
      while (!response.destroyed && response.write('x'.repeat(65_536)));
    }
    response.on('drain', more)
    more()
    return
  }
  response.end('ok')
})
server.listen(0, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`))
