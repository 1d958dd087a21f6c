// /docs: one self-contained page that reads /openapi.json and shows it. Nothing is loaded from anywhere else.
import { createHash } from 'node:crypto'

const STYLE = `
:root{color-scheme:light dark;--line:#8884;--soft:#8881}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
h2{margin-top:2.5rem;border-bottom:1px solid var(--line)}
details{border:1px solid var(--line);border-radius:6px;margin:.5rem 0;padding:.4rem .8rem}
summary{cursor:pointer}
code,pre{font:.9em ui-monospace,monospace}
pre{background:var(--soft);padding:.6rem;overflow:auto}
table{border-collapse:collapse;width:100%}
td,th{border-bottom:1px solid var(--line);padding:.25rem .5rem;text-align:left;vertical-align:top}
b.method{display:inline-block;min-width:4.5rem}
`

const SCRIPT = `
const el=(tag,text,...kids)=>{const e=document.createElement(tag);if(text)e.textContent=text;e.append(...kids);return e}
const show=(schema)=>schema?JSON.stringify(schema,null,2):''
const table=(head,rows)=>{
  const t=el('table','',el('tr','',...head.map((h)=>el('th',h))))
  for(const row of rows)t.append(el('tr','',...row.map((c)=>c instanceof Node?el('td','',c):el('td',String(c??'')))))
  return t
}
const bodies=(content)=>Object.entries(content??{}).map(([type,{schema}])=>el('div','',el('code',type),el('pre',show(schema))))
const operation=(path,method,op)=>{
  const name=el('b',method.toUpperCase());name.className='method'
  const box=el('details','',el('summary','',name,el('code',path),el('span',' — '+op.summary)))
  const params=op.parameters??[]
  if(params.length)box.append(table(['parameter','in','','meaning'],params.map((p)=>[
    el('code',p.name),p.in,p.required?'required':'',p.description??p.schema?.description??show(p.schema)])))
  if(op.requestBody)box.append(el('h4','Body'),el('p',op.requestBody.description??''),...bodies(op.requestBody.content))
  box.append(el('h4','Answers'))
  for(const [status,answer] of Object.entries(op.responses)){
    const line=el('details','',el('summary',status+'  '+answer.description.replaceAll('\`','')))
    if(answer.headers)line.append(table(['header','meaning'],Object.entries(answer.headers).map(([n,h])=>[el('code',n),h.description])))
    line.append(...bodies(answer.content))
    box.append(line)
  }
  return box
}
const main=document.querySelector('main')
fetch('openapi.json').then((r)=>r.json()).then((doc)=>{
  main.replaceChildren(el('h1',doc.info.title+' '+doc.info.version),el('p',doc.info.description))
  const tags=new Map()
  for(const [path,item] of Object.entries(doc.paths))for(const [method,op] of Object.entries(item)){
    const tag=op.tags?.[0]??''
    if(!tags.has(tag))tags.set(tag,[])
    tags.get(tag).push(operation(path,method,op))
  }
  for(const [tag,boxes] of tags)main.append(el('h2',tag),...boxes)
  main.append(el('h2','Schemas'))
  for(const [name,schema] of Object.entries(doc.components?.schemas??{}))
    main.append(el('details','',el('summary',name),el('pre',show(schema))))
}).catch(()=>{main.textContent='The document could not be loaded.'})
`

const sha256 = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`

/** Only this very script and style may run. */
export const DOCS_POLICY = [
  "default-src 'none'",
  `script-src ${sha256(SCRIPT)}`,
  `style-src ${sha256(STYLE)}`,
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

export const DOCS_PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>HTTP interface</title>
<style>${STYLE}</style>
</head>
<body>
<main>Loading…</main>
<noscript>The document itself: <a href="openapi.json">openapi.json</a></noscript>
<script>${SCRIPT}</script>
</body>
</html>
`
