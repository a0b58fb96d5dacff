"""How a report looks: light and dark, on a desk, on a phone and on paper."""

from __future__ import annotations

__all__ = ["CSS"]

_LIGHT = """
  --paper: #ffffff; --ink: #1c1e21; --soft: #5f6670; --line: #d8dce1; --mark: #555b63; --panel: #f5f7f9;
  --first: #1f77b4; --second: #d95f02; --alarm: #a33b00; --alarm-panel: #fff4e8; --right: #1f77b4; --wrong: #d95f02;
"""
_DARK = """
  --paper: #14171a; --ink: #e6e8eb; --soft: #9aa3ad; --line: #363c43; --mark: #a9b0b8; --panel: #1c2024;
  --first: #5aa9e6; --second: #ff9248; --alarm: #ffb074; --alarm-panel: #2b2118; --right: #3d86c0; --wrong: #c8631c;
"""

CSS = f"""
:root {{ color-scheme: light dark; {_LIGHT} }}
@media (prefers-color-scheme: dark) {{ :root {{ {_DARK} }} }}
@media print {{ :root {{ color-scheme: light; {_LIGHT} }} }}
* {{ box-sizing: border-box; }}
html {{ -webkit-text-size-adjust: 100%; }}
body {{ margin: 0; background: var(--paper); color: var(--ink); line-height: 1.5;
  font-family: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; font-size: 16px; }}
main {{ max-width: 68rem; margin: 0 auto; padding: 1.25rem 1rem 3rem; }}
h1 {{ font-size: 1.6rem; line-height: 1.25; margin: 0 0 1rem; overflow-wrap: anywhere; }}
h2 {{ font-size: 1.15rem; margin: 2.25rem 0 .75rem; padding-bottom: .3rem; border-bottom: 1px solid var(--line); }}
p {{ margin: .5rem 0; }}
small, figcaption, dt {{ color: var(--soft); font-size: .85rem; font-weight: normal; }}
ul {{ margin: .5rem 0; padding-left: 1.25rem; }}
li {{ margin: .3rem 0; overflow-wrap: anywhere; }}
em {{ color: var(--soft); }}
dl {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(10rem, 1fr)); gap: .75rem 1.25rem; margin: 0;
  padding: 1rem; background: var(--panel); border-radius: .5rem; }}
dl > div {{ min-width: 0; }}
dd {{ margin: 0; overflow-wrap: anywhere; }}
#warnings {{ margin-top: 1.25rem; padding: .75rem 1rem; background: var(--alarm-panel); border-radius: .5rem;
  border-left: .3rem solid var(--alarm); }}
#warnings h2 {{ margin: 0; border: 0; color: var(--alarm); }}
.wide {{ overflow-x: auto; margin: .5rem 0; }}
table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; }}
th, td {{ padding: .3rem .7rem; text-align: right; vertical-align: top; border-bottom: 1px solid var(--line);
  white-space: nowrap; }}
thead th {{ color: var(--soft); font-size: .85rem; font-weight: normal; vertical-align: bottom; }}
th:first-child {{ text-align: left; padding-left: 0; }}
tbody th {{ font-weight: 600; }}
.scores th, .scores td {{ white-space: normal; }}
.scores small {{ display: block; }}
.matrix td {{ text-align: center; border: 1px solid var(--paper); min-width: 2.6rem; }}
.matrix thead th {{ text-align: center; }}
.down thead th bdi {{ writing-mode: vertical-rl; transform: rotate(180deg); max-width: none; max-height: 9rem; }}
.wide th:first-child {{ position: sticky; left: 0; background: var(--paper); }}
th bdi {{ display: inline-block; vertical-align: top; max-width: 14rem; white-space: normal;
  overflow-wrap: break-word; }}
.matrix td.right {{ background: color-mix(in srgb, var(--right) calc(var(--share) * .75), var(--panel)); }}
.matrix td.wrong {{ background: color-mix(in srgb, var(--wrong) calc(var(--share) * .75), var(--panel)); }}
table.bar {{ width: 100%; }}
td.bars {{ width: 100%; min-width: 6rem; }}
td.bars .bar {{ display: block; height: .8rem; margin-top: .35rem; min-width: 1px; border-radius: .15rem;
  background: var(--first); }}
td.text {{ text-align: left; white-space: normal; min-width: 14rem; overflow-wrap: anywhere; }}
table.columns th:last-child {{ text-align: left; }}
.columns th small {{ display: block; max-width: 14rem; white-space: normal; }}
details {{ margin: .75rem 0; }}
summary {{ cursor: pointer; color: var(--soft); }}
figure {{ margin: 0; max-width: 40rem; }}
.pair {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); gap: 1.5rem; }}
svg {{ display: block; width: 100%; height: auto; }}
svg * {{ stroke-linejoin: round; stroke-linecap: butt; }}
svg text {{ fill: var(--ink); font-family: inherit !important; }}
@media (max-width: 40rem) {{
  main {{ padding: 1rem .75rem 2rem; }}
  dl {{ grid-template-columns: repeat(auto-fill, minmax(8rem, 1fr)); padding: .75rem; }}
  th, td {{ padding: .3rem .5rem; }}
  th bdi {{ max-width: 8rem; }}
  td.bars {{ min-width: 3rem; }}
  .columns, .columns tbody {{ display: block; }}
  .columns thead, .columns .none {{ display: none; }}
  .columns tr {{ display: block; padding: .4rem 0; border-bottom: 1px solid var(--line); }}
  .columns th, .columns td {{ display: inline; padding: 0 .8rem 0 0; border: 0; }}
  .columns tbody th {{ display: block; position: static; text-align: left; }}
  .columns th bdi, .columns th small {{ max-width: none; }}
  .columns td[data-label]::after {{ content: " " attr(data-label); color: var(--soft); font-size: .85rem; }}
  .columns td.text {{ display: block; padding: 0; color: var(--soft); }}
}}
@media print {{
  body {{ font-size: 10.5pt; }}
  main {{ max-width: none; padding: 0; }}
  h2 {{ break-after: avoid; }}
  figure, tr, li, dl, #warnings {{ break-inside: avoid; }}
  .wide {{ overflow: visible; }}
  * {{ -webkit-print-color-adjust: exact; print-color-adjust: exact; }}
}}
"""
