"""The one style sheet of a report: narrow and wide, light and dark, on paper, by keyboard.

No colour tells anything alone: a word stands beside it.
"""

from __future__ import annotations

import base64
import hashlib

SHEET = """
:root{color-scheme:light dark;--ink:#1b1f24;--dim:#57606a;--page:#fff;--soft:#f4f6f8;--line:#d0d7de;--bad:#b42318;
--bad-soft:#fdecea;--good:#1a7f37;--good-soft:#e6f4ea;--wait:#8a5a00;--wait-soft:#fff4d6;--link:#0550ae}
@media (prefers-color-scheme:dark){:root{--ink:#e6edf3;--dim:#9aa4af;--page:#0f1419;--soft:#1a2129;--line:#38424d;
--bad:#ff8a80;--bad-soft:#3a1715;--good:#6fdd8b;--good-soft:#12301c;--wait:#f2c14e;--wait-soft:#352a0c;--link:#79b8ff}}
*{box-sizing:border-box}
html{scroll-behavior:auto;-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,
sans-serif;overflow-wrap:break-word}
main,header,footer,nav{max-width:72rem;margin:0 auto;padding:0 1rem}
header{padding-top:1.25rem}
h1{font-size:1.3rem;line-height:1.35;margin:.25rem 0 .75rem}
h2{font-size:1.15rem;margin:2rem 0 .5rem;padding-top:.75rem;border-top:1px solid var(--line)}
h3{font-size:1rem;margin:1.25rem 0 .4rem}
p{margin:.4rem 0}
a{color:var(--link)}
a:focus-visible,summary:focus-visible,[tabindex]:focus-visible{outline:3px solid var(--link);outline-offset:2px;
border-radius:3px}
.skip{position:absolute;left:-200vw;top:0;background:var(--page);padding:.6rem 1rem;z-index:2}
.skip:focus{left:0}
nav ul{list-style:none;display:flex;flex-wrap:wrap;gap:.25rem 1rem;margin:.5rem 0;padding:0}
nav a{display:inline-block;padding:.25rem 0}
.dim{color:var(--dim)}
.failure{border-left:.4rem solid var(--bad);background:var(--bad-soft);padding:.6rem 1rem}
.success{border-left:.4rem solid var(--good);background:var(--good-soft);padding:.6rem 1rem}
.unclear{border-left:.4rem solid var(--wait);background:var(--wait-soft);padding:.6rem 1rem}
.word{font-weight:600;white-space:nowrap}
.took{white-space:nowrap}
.bad{color:var(--bad)}.good{color:var(--good)}.wait{color:var(--wait)}
ol.story{padding-left:0;list-style:none}
ol.story li{padding:.2rem 0;display:grid;grid-template-columns:8rem minmax(0,1fr);gap:.75rem}
time,.num{font-variant-numeric:tabular-nums}
table{border-collapse:collapse;width:100%;font-size:.92rem}
th,td{text-align:left;vertical-align:top;padding:.3rem .6rem .3rem 0;border-bottom:1px solid var(--line)}
th{font-weight:600}
.scroll{overflow-x:auto}
.scroll.wide td:last-child{overflow-wrap:anywhere}
.scroll.wide td:last-child,.scroll.wide th:last-child{min-width:18rem}
td code{overflow-wrap:anywhere;display:inline-block;min-width:9rem}
p code,dd code{overflow-wrap:anywhere}
pre{margin:.5rem 0;padding:.6rem .75rem;background:var(--soft);border:1px solid var(--line);border-radius:4px;
overflow:auto;max-height:36rem;font:13px/1.45 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;
white-space:pre;overflow-wrap:normal}
code{font:.9em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
pre .add{display:block;background:var(--good-soft);color:var(--good)}
pre .del{display:block;background:var(--bad-soft);color:var(--bad)}
pre .at{display:block;color:var(--dim)}
pre .same{display:block}
details{margin:.4rem 0}
summary{cursor:pointer;padding:.35rem 0}
.axis{margin:.75rem 0 0;padding:0;list-style:none}
.axis li{display:grid;grid-template-columns:11rem minmax(0,1fr) 5.5rem 6.5rem;gap:.2rem .75rem;align-items:center;
padding:.12rem 0;font-size:.92rem}
.axis li.stage{font-weight:600;margin-top:.6rem;border-top:1px solid var(--line);padding-top:.4rem}
.axis li.scale{color:var(--dim);font-size:.8rem}
.axis .name{padding-left:.75rem}.axis .stage .name{padding-left:0}
.axis .took{text-align:right}
.ticks{display:flex;justify-content:space-between}
svg.bar{display:block;width:100%;height:1rem;background:var(--soft);border-radius:2px;fill:var(--good)}
svg.bar.failed,svg.bar.refused{fill:var(--bad)}
svg.bar.unanswered,svg.bar.indeterminate,svg.bar.mark{fill:var(--wait)}
svg.bar.span{fill:var(--dim);height:.5rem}
dl{display:grid;grid-template-columns:max-content minmax(0,1fr);gap:.25rem 1rem;margin:.5rem 0}
dt{color:var(--dim)}dd{margin:0}
footer{padding-bottom:2rem;margin-top:2rem}
@media (max-width:40rem){
.axis li{grid-template-columns:minmax(0,1fr) auto auto}
.axis li .track{grid-column:1/-1;order:9}
.axis li.scale .name,.axis li.scale .took,.axis li.scale .word{display:none}
ol.story li{grid-template-columns:minmax(0,1fr);gap:0}
dl{grid-template-columns:minmax(0,1fr)}
dd{margin-bottom:.4rem}
summary{padding:.6rem 0}
}
@media print{
:root{color-scheme:light;--ink:#000;--dim:#444;--page:#fff;--soft:#f6f6f6;--line:#999;--bad:#8f1a12;--bad-soft:#f9e5e3;
--good:#14622b;--good-soft:#e4f1e8;--wait:#6b4600;--wait-soft:#f7edd0;--link:#000}
nav,.skip{display:none}
body{font-size:10.5pt}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}
details::details-content{content-visibility:visible;block-size:auto;opacity:1}
summary{list-style:none;font-weight:600}
pre{white-space:pre-wrap;overflow-wrap:anywhere;overflow:visible;max-height:none;font-size:8.5pt}
.scroll{overflow:visible}
h2,h3,summary{break-after:avoid}
tr,.axis li{break-inside:avoid}
}
""".strip()

#: What the page may load: this very style sheet. No script, no picture, no font, no frame, no form, no address.
POLICY = (
    "default-src 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(SHEET.encode()).digest()).decode()
    + "'; base-uri 'none'; form-action 'none'"
)
