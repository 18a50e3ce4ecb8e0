/** The style sheet of the report: dark and light by the reader's preference, cards instead of tables on a phone. */

import { Markup } from './markup.ts';

/** Text colours keep a contrast of at least 4.5 : 1 against their ground in both themes. */
export const STYLE = new Markup(`
:root{color-scheme:light dark;--ground:#f6f8fa;--panel:#fff;--ink:#16202b;--soft:#526171;--rule:#dde3e9;--good:#0a683a;--late:#b3261e;--hint:#7a4d00;--changed:#a9cdec;--stored:#0b5cad;--full:#c2410c;
--goodsoft:#e2f4ea;--latesoft:#fdecea;--heat0:#dbe9f6;--heat1:#a6cbe8;--heat2:#5fa3d3;--heat3:#2271b2;--heat4:#083d77}
@media (prefers-color-scheme:dark){:root{--ground:#0f151b;--panel:#18212a;--ink:#e6ebf0;--soft:#a3b1be;--rule:#2c3843;--good:#6fd39b;--late:#ff9d94;--hint:#f2c14e;--changed:#2c567c;--stored:#7ab8f5;--full:#ff9f6b;
--goodsoft:#143226;--latesoft:#3a1b19;--heat0:#1d3347;--heat1:#25527a;--heat2:#337fb8;--heat3:#69b1e8;--heat4:#c4e4ff}}
*{box-sizing:border-box}html{scroll-behavior:smooth}
body{margin:0 auto;max-width:1400px;padding:1.5rem clamp(.75rem,3vw,2.5rem) 3rem;background:var(--ground);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
h1{font-size:1.65rem;line-height:1.2;margin:0;letter-spacing:-.01em;overflow-wrap:anywhere}h2{font-size:1.15rem;margin:0 0 .4rem;letter-spacing:-.005em}h3{font-size:.95rem;margin:1.2rem 0 .3rem}p{margin:.3rem 0}.soft{color:var(--soft)}
small{display:block;white-space:nowrap;color:var(--soft);font-size:.8rem;font-weight:400}a{color:var(--stored)}code{font-size:.9em}
section{background:var(--panel);border:1px solid var(--rule);border-radius:.75rem;padding:1.1rem 1.25rem;margin:1.1rem 0;scroll-margin-top:.5rem}
.verdict{font-size:1.1rem;font-weight:600;margin:.9rem 0 .3rem;padding:.6rem .9rem;border-radius:.6rem}.verdict.good{background:var(--goodsoft)}.verdict.late{background:var(--latesoft)}
.attention{margin:.3rem 0 0;padding-left:1.3rem}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(10rem,1fr));gap:.75rem;margin:1.1rem 0;padding:0;list-style:none}
.tiles li{background:var(--panel);border:1px solid var(--rule);border-radius:.75rem;padding:.8rem 1rem;color:var(--soft);font-size:.88rem;line-height:1.35}.tiles b{display:block;color:var(--ink);font-size:1.55rem;line-height:1.25;font-variant-numeric:tabular-nums;letter-spacing:-.01em}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.5rem .6rem;border-bottom:1px solid var(--rule);vertical-align:top}tbody:last-child>tr:last-child>*{border-bottom:0}
thead th{color:var(--soft);font-weight:600;font-size:.8rem;white-space:nowrap;vertical-align:bottom}tbody th{font-weight:600;overflow-wrap:anywhere}td>span>b{font-weight:500;white-space:nowrap}
.fleet>thead th{position:sticky;top:0;background:var(--panel);z-index:1}.fleet>tbody>tr>th{min-width:9rem}.fleet>tbody{border-bottom:1px solid var(--rule)}.fleet>tbody:last-child{border:0}.fleet>tbody>tr>*{border:0;padding-bottom:.1rem}.fleet>tbody>.points>td{padding-top:0;padding-bottom:.5rem}.number{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.remarks{display:flex;flex-wrap:wrap;gap:0 1.5rem;font-size:.86rem}.remarks p{margin:.1rem 0}.pill{display:inline-block;padding:.05rem .6rem;border:1px solid currentColor;border-radius:1rem;font-size:.82rem;font-weight:600;white-space:nowrap}
svg{display:block;width:100%;height:auto}.strip{height:22px;margin:.15rem 0}.strip path{vector-effect:non-scaling-stroke}.heat{max-width:960px}
.tick{fill:var(--soft);font-size:11px}.name{fill:var(--ink);font-size:13px}.grid{stroke:var(--rule);fill:none}.changed{fill:var(--changed)}.stored{fill:none;stroke:var(--stored);stroke-width:2;stroke-linejoin:round}
.bar-storage{fill:var(--stored)}.bar-runs{fill:var(--full)}svg .mark{stroke:var(--ink);stroke-width:2}
.increment{stroke:var(--stored);stroke-width:1}.full{stroke:var(--full);stroke-width:2}
.heat0{fill:var(--heat0)}.heat1{fill:var(--heat1)}.heat2{fill:var(--heat2)}.heat3{fill:var(--heat3)}.heat4{fill:var(--heat4)}
.late{color:var(--late);font-weight:600}.good{color:var(--good)}.hint{color:var(--hint)}
.key{display:inline-block;width:.8em;height:.8em;border-radius:.2em;margin:0 .35em 0 1em;vertical-align:-.05em}.key:first-child{margin-left:0}.key.mark{width:2px;height:1em;border-radius:0;background:var(--ink)}
details>summary{cursor:pointer;color:var(--stored);padding:.25rem 0;font-size:.88rem}details table{font-size:.86rem}details th,details td{padding:.25rem .4rem}
.notes{background:none;border:0;padding:0 .25rem;color:var(--soft);font-size:.88rem}.notes ul{padding-left:1.2rem}
@media (max-width:1000px){.fleet>thead{position:absolute;left:-9999px}.fleet{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,22rem),1fr));gap:.75rem}
.fleet>tbody,.fleet>tbody:last-child{display:block;border:1px solid var(--rule);border-radius:.6rem;padding:.5rem .6rem}.fleet>tbody>tr{display:block}
.fleet>tbody>tr>[data-name]{display:flex;justify-content:space-between;gap:1rem;padding:.2rem .1rem;text-align:right}
.fleet>tbody>tr>[data-name]::before{content:attr(data-name);color:var(--soft);font-weight:400;text-align:left}
.fleet>tbody>tr>th[data-name]{font-size:1.05rem;text-align:left}.fleet>tbody>tr>th[data-name]::before{content:none}.fleet>tbody>.points>td{display:block;padding:.3rem .1rem}details{overflow-x:auto}}
@media (max-width:720px){section{padding:.9rem .9rem}.scroll{overflow-x:auto}.scroll svg{min-width:820px}.tick{font-size:13px}.tiles{grid-template-columns:1fr 1fr}
.cards thead{position:absolute;left:-9999px}.cards,.cards tbody{display:block}.cards tr{display:block;border-bottom:1px solid var(--rule);padding:.5rem 0}.cards tr:last-child{border:0}.cards tr>*{display:block;border:0;padding:.05rem 0}.cards td::before{content:attr(data-name) ": ";color:var(--soft)}}
@media print{:root{--ground:#fff}html{font-size:10.5px}body{max-width:none;padding:0;font-size:1rem}section{border:0;padding:0;margin:1.2rem 0}.fleet>thead th{position:static}.fleet>tbody,.cards tr,svg,.tiles li{break-inside:avoid}.fleet>tbody>tr>th{min-width:0}details{display:none}.tiles{grid-template-columns:repeat(6,1fr)}.tiles b{font-size:1.1rem}h2{break-after:avoid}a{color:inherit;text-decoration:none}*{print-color-adjust:exact}}
`);
