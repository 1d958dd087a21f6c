// Rich text: what an editor writes stays, what could act goes.
import { describe, expect, it } from 'vitest'
import { cleanHtml } from '../../src/schema/richtext.ts'

const clean = (html: string) => {
  const checked = cleanHtml(html)
  return checked.ok ? checked.value : checked.fault
}

describe('what an editor writes stays', () => {
  it.each([
    '<h1>Title</h1><h6>Small</h6><p>A <strong>b</strong> <em>c</em> <u>d</u> <s>e</s> <sub>f</sub><sup>g</sup></p>',
    '<ul><li>a<ol start="3"><li>b</li></ol></li></ul><dl><dt>a</dt><dd>b</dd></dl>',
    '<blockquote><p>a</p></blockquote><hr /><pre><code>if (a &lt; b) {}\n</code></pre>',
    '<table><caption>a</caption><thead><tr><th scope="col" colspan="2">a</th></tr></thead><tbody><tr><td rowspan="2">b</td></tr></tbody></table>',
    '<a href="https://a.example/?b=1&amp;c=2" title="x">a</a><a href="mailto:a@b.example">b</a><a href="/c#d">c</a>',
    '<figure><img src="https://a.example/b.png" alt="a" width="5" height="6" /><figcaption>a</figcaption></figure>',
    '<img src="/api/files/images/x/view" alt="" />',
    'plain text, &amp; &lt;b&gt;',
  ])('%s', (html) => {
    expect(clean(html)).toBe(html)
  })
})

describe('what could act goes', () => {
  it.each([
    ['<script>alert(1)</script>a', 'a'],
    ['<scr<script>ipt>a', 'ipt&gt;a'],
    ['<p onclick="x()" onmouseover=x style="color:red" class="a" id="b" data-x="1">a</p>', '<p>a</p>'],
    ['<a href="javascript:alert(1)">a</a>', '<a>a</a>'],
    ['<a href=" java\nscript:alert(1)">a</a>', '<a>a</a>'],
    ['<a href="&#106;avascript&colon;alert(1)">a</a>', '<a>a</a>'],
    ['<a href="JaVaScRiPt:alert(1)">a</a>', '<a>a</a>'],
    ['<a href="\u0001javascript:alert(1)">a</a>', '<a>a</a>'],
    ['<a href="vbscript:x">a</a>', '<a>a</a>'],
    ['<a href="data:text/html,<script>alert(1)</script>">a</a>', '<a>a</a>'],
    ['<a href="//evil.example">a</a>', '<a>a</a>'],
    ['<a href="x" target="_blank" ping="https://evil.example">a</a>', '<a href="x">a</a>'],
    ['<img src="data:image/svg+xml,x">', '<img />'],
    ['<img src="mailto:a@b.example">', '<img />'],
    ['<img src=x onerror=alert(1) srcset="javascript:x 1x">', '<img src="x" />'],
    ['<iframe src="https://evil.example">a</iframe>', 'a'],
    ['<iframe srcdoc="<script>alert(1)</script>"></iframe>', ''],
    ['<svg onload=alert(1)><script>alert(1)</script></svg>', ''],
    ['<svg><a xlink:href="javascript:alert(1)"><text>a</text></a></svg>', '<a>a</a>'],
    ['<math><mi//xlink:href="data:x,<script>alert(1)</script>">', ''],
    ['<noscript><p title="</noscript><img src=x onerror=alert(1)>">', '<p></p>'],
    ['<textarea></textarea/><img src=x onerror=alert(1)>', '<img src="x" />'],
    ['<style>@import "https://evil.example"</style>a', 'a'],
    ['<link rel=stylesheet href=x><meta http-equiv=refresh content="0;url=x"><base href="https://evil.example">', ''],
    ['<form action="https://evil.example"><input name=a><button>b</button></form>', 'b'],
    ['<object data=x></object><embed src=x><applet></applet>', ''],
    ['<template><script>alert(1)</script></template>', ''],
    ['<!-- a --><!--[if IE]><script>x</script><![endif]--><?php x ?>a', 'a'],
    ['a < b', 'a &lt; b'],
    ['<p>a', '<p>a</p>'],
  ])('%j', (html, cleaned) => {
    expect(clean(html)).toBe(cleaned)
  })
})

it('tags that would take the parser too long are refused, at once', () => {
  const many = 'must hold "<" at most 5,000 times'
  const deep = 'must not nest tags deeper than 100 levels'
  expect(clean('<div>'.repeat(200_000))).toBe(many)
  expect(clean('<'.repeat(1_000_000))).toBe(many)
  expect(clean('<x>'.repeat(5_000))).toBe(deep)
  expect(clean('<ul><li>'.repeat(1000) + '</li></ul>'.repeat(1000))).toBe(deep)
  expect(clean('<p title="</div>"><div>'.repeat(1000))).toBe(deep)
  expect(clean('&'.repeat(60_000))).toBe('must hold "&" at most 50,000 times')
  expect(clean('<p>'.repeat(4999))).toBe('<p></p>'.repeat(4999))
  expect(clean('<b>'.repeat(100))).toBe('<b>'.repeat(100) + '</b>'.repeat(100))
})
