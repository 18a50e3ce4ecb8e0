/** The style sheet of the report: dark and light by the reader's preference, cards instead of a table on a phone. */

import { Markup } from './markup.ts';

/** Text colours keep a contrast of at least 4.5 : 1 against their ground in both themes. */
export const STYLE = new Markup(`
:root{color-scheme:light dark;--ground:#fff;--panel:#f4f6f8;--ink:#1b2733;--soft:#51606e;--rule:#d5dbe1;--good:#0b6b3a;--late:#b3261e;--hint:#7a4d00;--changed:#9cc3e6;--stored:#0b5cad;--full:#c2410c;
--heat0:#dbe9f6;--heat1:#a6cbe8;--heat2:#5fa3d3;--heat3:#2271b2;--heat4:#083d77}
@media (prefers-color-scheme:dark){:root{--ground:#12181f;--panel:#1b242d;--ink:#e6ebf0;--soft:#a3b1be;--rule:#33404c;--good:#6fd39b;--late:#ff9d94;--hint:#f2c14e;--changed:#2c567c;--stored:#7ab8f5;--full:#ff9f6b;
--heat0:#1d3347;--heat1:#25527a;--heat2:#337fb8;--heat3:#69b1e8;--heat4:#c4e4ff}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1280px;padding:1rem;background:var(--ground);color:var(--ink);font:15px/1.45 system-ui,sans-serif}
h1{font-size:1.5rem;margin:0}h2{font-size:1.15rem;margin:2rem 0 .5rem}p{margin:.3rem 0}.soft{color:var(--soft)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));gap:.6rem;margin:1rem 0;padding:0;list-style:none}
.tiles li{background:var(--panel);border:1px solid var(--rule);border-radius:.5rem;padding:.6rem .8rem}.tiles b{display:block;font-size:1.35rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.35rem .5rem;border-bottom:1px solid var(--rule);vertical-align:top}
thead th{color:var(--soft);font-weight:600;font-size:.85rem}tbody th{font-weight:600;overflow-wrap:anywhere}.fleet>tbody>tr>th{min-width:11rem}.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
svg{display:block;width:100%;height:auto}.strip{width:240px}.heat{max-width:920px}
.tick{fill:var(--soft);font-size:11px}.grid{stroke:var(--rule);fill:none}.changed{fill:var(--changed)}.stored{fill:none;stroke:var(--stored);stroke-width:2}
.increment{stroke:var(--stored);stroke-width:1}.full{stroke:var(--full);stroke-width:2}
.heat0{fill:var(--heat0)}.heat1{fill:var(--heat1)}.heat2{fill:var(--heat2)}.heat3{fill:var(--heat3)}.heat4{fill:var(--heat4)}
.late{color:var(--late);font-weight:600}.good{color:var(--good)}.hint{color:var(--hint)}
.key{display:inline-block;width:.9em;height:.9em;border-radius:.15em;margin:0 .3em 0 .8em;vertical-align:-.1em}
details>summary{cursor:pointer;color:var(--stored)}details table{font-size:.9rem}
@media (max-width:720px){.fleet thead{position:absolute;left:-9999px}.fleet,.fleet tbody{display:block}
.fleet>tbody>tr{display:block;background:var(--panel);border:1px solid var(--rule);border-radius:.5rem;margin:.6rem 0;padding:.5rem}
.fleet>tbody>tr>*{display:flex;justify-content:space-between;gap:1rem;border:0;padding:.15rem .3rem;text-align:right;white-space:normal}
.fleet>tbody>tr>[data-name]::before{content:attr(data-name);color:var(--soft);font-weight:400;text-align:left}.fleet>tbody>tr>.wide{display:block;text-align:left}.scroll{overflow-x:auto}.scroll svg{min-width:640px}}
@media print{body{max-width:none;font-size:11px}.fleet>tbody>tr{break-inside:avoid}details>summary{color:inherit}h2{break-after:avoid}}
`);
