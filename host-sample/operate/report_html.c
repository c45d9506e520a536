/*
 * report_html.c - a page that is whole without JavaScript; with it, it takes its own <main> anew.
 */
#include "policy_steps.h"
#include "report.h"

#include <string.h>

/* Wide tables become cards where the window is narrow. */
static const char style[] =
    ":root{color-scheme:light dark;--back:#fff;--text:#1b1f24;--dim:#57606a;--line:#d0d7de;"
    "--card:#f6f8fa;--good:#1a7f37;--warn:#9a6700;--bad:#cf222e;--warnback:#fff8c5;"
    "--badback:#ffebe9;--goodback:#dafbe1}"
    "@media(prefers-color-scheme:dark){:root{--back:#0d1117;--text:#e6edf3;--dim:#9198a1;"
    "--line:#30363d;--card:#161b22;--good:#3fb950;--warn:#d29922;--bad:#ff7b72;"
    "--warnback:#2e2a1f;--badback:#3c1618;--goodback:#12261e}}"
    "*{box-sizing:border-box}"
    "body{margin:0 auto;padding:1rem;max-width:76rem;background:var(--back);color:var(--text);"
    "font:15px/1.45 system-ui,sans-serif;overflow-wrap:break-word}"
    "h1{font-size:1.3rem;margin:.2rem 0 .8rem}h2{font-size:1.05rem;margin:1.6rem 0 .5rem}"
    "p{margin:.3rem 0}p.warn,p.bad,p.good{padding:.5rem .7rem;border-left:.3rem solid;"
    "border-radius:.2rem}"
    "p.warn{border-color:var(--warn);background:var(--warnback)}"
    "p.bad{border-color:var(--bad);background:var(--badback);font-weight:600}"
    "p.good{border-color:var(--good);background:var(--goodback)}"
    "table{border-collapse:collapse;width:100%}"
    "th,td{text-align:left;vertical-align:top;padding:.3rem .8rem .3rem 0;"
    "border-bottom:1px solid var(--line);font-variant-numeric:tabular-nums}"
    "th{color:var(--dim);font-weight:600;white-space:nowrap}"
    ".wide td:first-child,.wide td:last-child{overflow-wrap:anywhere}"
    ".wide td:first-child{min-width:8rem}.wide td:last-child{min-width:14rem}"
    "td[data-name=Lag]{white-space:nowrap}"
    ".good{color:var(--good)}.warn{color:var(--warn)}.bad{color:var(--bad)}"
    "p.warn,p.bad,p.good{color:var(--text)}"
    ".steps{display:grid;grid-template-columns:repeat(auto-fill,minmax(17rem,1fr));gap:.7rem;"
    "padding:0;margin:.6rem 0;list-style:none}"
    ".steps>li{border:1px solid var(--line);border-radius:.5rem;background:var(--card);"
    "padding:.6rem .8rem}"
    ".steps ul{margin:.4rem 0 0;padding:0;list-style:none}"
    ".steps ul li{margin:.35rem 0;padding-left:1rem;text-indent:-1rem}"
    ".steps .on{color:var(--dim)}a{color:inherit}:target{outline:2px solid var(--warn)}"
    "#stale{display:none;position:sticky;top:0;padding:.5rem .7rem;background:var(--bad);"
    "color:var(--back);font-weight:600}"
    "@media(max-width:66rem){.wide,.wide tbody,.wide tr,.wide td{display:block}"
    ".wide thead{display:none}.wide tr{border:1px solid "
    "var(--line);border-radius:.5rem;padding:.3rem .7rem;margin:.5rem 0}"
    ".wide td,.wide td:first-child,.wide td:last-child{border:0;padding:.15rem 0;display:flex;"
    "gap:.6rem;min-width:0;overflow-wrap:anywhere}"
    ".wide td:empty{display:none}.wide td::before{content:attr(data-name);color:var(--dim);flex:0 "
    "0 6.5rem}}";

/* What was shown last stays on the page, and says how old it is, if the host does not answer. */
static const char script[] =
    "(function(){var seen=Date.now(),stale=document.getElementById('stale');"
    "function later(){setTimeout(look,2000)}"
    "function look(){if(document.hidden){later();return}"
    "var stop=new AbortController(),limit=setTimeout(function(){stop.abort()},4000);"
    "fetch(location.pathname,{cache:'no-store',signal:stop.signal}).then(function(r){"
    "if(!r.ok)throw new Error(r.status);return r.text()}).then(function(text){"
    "var page=new DOMParser().parseFromString(text,'text/html');"
    "document.querySelector('main').replaceWith(page.querySelector('main'));"
    "document.title=page.title;seen=Date.now();stale.style.display='none'})"
    ".catch(function(){stale.textContent='No answer for '+Math.round((Date.now()-seen)/1000)+"
    "' s: what is below is that old.';stale.style.display='block';"
    "document.title='snapshot-host: no answer';"
    "document.querySelector('main').style.opacity=.6})"
    ".finally(function(){clearTimeout(limit);later()})}later()})();";

/* So many fit on a phone. */
#define NARROW_COLUMNS 3

static const char *const tone_names[] = {"", "good", "warn", "bad"};

/* Within an element or a quoted attribute. */
static void put_text(struct byte_buffer *out, const char *text, size_t length) {
    for (size_t i = 0; i < length; i++) {
        switch (text[i]) {
        case '&':
            BYTE_BUFFER_LITERAL(out, "&amp;");
            break;
        case '<':
            BYTE_BUFFER_LITERAL(out, "&lt;");
            break;
        case '>':
            BYTE_BUFFER_LITERAL(out, "&gt;");
            break;
        case '"':
            BYTE_BUFFER_LITERAL(out, "&quot;");
            break;
        default:
            byte_buffer_append(out, text + i, 1);
        }
    }
}

static void begin(struct byte_buffer *out, enum status_tone tone, const char *title) {
    BYTE_BUFFER_LITERAL(out, "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">"
                             "<meta name=\"viewport\" content=\"width=device-width\"><title>");
    put_text(out, title, strlen(title));
    BYTE_BUFFER_LITERAL(out, "</title><link rel=\"icon\" href=\"data:,\"><style>");
    byte_buffer_append_text(out, style);
    BYTE_BUFFER_LITERAL(out, "</style></head><body><div id=\"stale\"></div><main><h1 class=\"");
    byte_buffer_append_text(out, tone_names[tone]);
    BYTE_BUFFER_LITERAL(out, "\">");
    put_text(out, title, strlen(title));
    BYTE_BUFFER_LITERAL(out, "</h1>\n");
}

static void heading(struct byte_buffer *out, const char *text) {
    BYTE_BUFFER_LITERAL(out, "<h2>");
    put_text(out, text, strlen(text));
    BYTE_BUFFER_LITERAL(out, "</h2>\n");
}

static void put_toned(struct byte_buffer *out, const char *element, enum status_tone tone,
                      const char *text, size_t length) {
    byte_buffer_append_format(out, "<%s class=\"%s\">", element, tone_names[tone]);
    put_text(out, text, length);
    byte_buffer_append_format(out, "</%s>", element);
}

static void line(struct byte_buffer *out, enum status_tone tone, const char *text) {
    put_toned(out, "p", tone, text, strlen(text));
    BYTE_BUFFER_LITERAL(out, "\n");
}

static void table(struct byte_buffer *out, const struct report_table *table) {
    if (table->column_count == 0) {
        return;
    }
    byte_buffer_append_format(out, "<table class=\"%s\"><thead><tr>",
                              table->column_count > NARROW_COLUMNS ? "wide" : "");
    for (uint32_t i = 0; i < table->column_count; i++) {
        byte_buffer_append_format(out, "<th scope=\"col\">%s</th>", table->columns[i]);
    }
    BYTE_BUFFER_LITERAL(out, "</tr></thead><tbody>");
    for (uint32_t i = 0; i < table->cell_count; i++) {
        const uint32_t column = i % table->column_count;
        byte_buffer_append_text(out, column == 0 ? "\n<tr>" : "");
        byte_buffer_append_format(out, "<td data-name=\"%s\" class=\"%s\">", table->columns[column],
                                  tone_names[table->cells[i].tone]);
        put_text(out, table->text.data + table->cells[i].offset, table->cells[i].length);
        byte_buffer_append_text(out, column + 1 == table->column_count ? "</td></tr>" : "</td>");
    }
    BYTE_BUFFER_LITERAL(out, "</tbody></table>\n");
}

/* ---- the policy ------------------------------------------------------------------------------ */

static void put_target(struct byte_buffer *out, const struct policy_steps *steps, const char *id) {
    for (uint32_t i = 0; i < steps->node_count; i++) {
        const char *label = steps->nodes[i].label;
        if (strcmp(steps->nodes[i].id, id) != 0) {
            continue;
        }
        if (steps->nodes[i].is_end) {
            put_toned(out, "b", steps->nodes[i].tone, label, strlen(label));
        } else {
            byte_buffer_append_format(out, "<a href=\"#%s\">", id);
            put_text(out, label, strlen(label));
            BYTE_BUFFER_LITERAL(out, "</a>");
        }
    }
}

/* Each step is a card, with an arrow to what follows for each outcome. */
static void steps(struct byte_buffer *out, const char *dot) {
    struct policy_steps steps;
    policy_steps_read(&steps, dot);
    BYTE_BUFFER_LITERAL(out, "<ol class=\"steps\">");
    for (uint32_t i = 0; i < steps.node_count; i++) {
        if (steps.nodes[i].is_end) {
            continue;
        }
        byte_buffer_append_format(out, "\n<li id=\"%s\">", steps.nodes[i].id);
        put_toned(out, "b", TONE_PLAIN, steps.nodes[i].label, strlen(steps.nodes[i].label));
        BYTE_BUFFER_LITERAL(out, "<ul>");
        for (uint32_t k = 0; k < steps.edge_count; k++) {
            if (strcmp(steps.edges[k].from, steps.nodes[i].id) == 0) {
                BYTE_BUFFER_LITERAL(out, "<li><span class=\"on\">");
                put_text(out, steps.edges[k].label, strlen(steps.edges[k].label));
                BYTE_BUFFER_LITERAL(out, "</span> &rarr; ");
                put_target(out, &steps, steps.edges[k].to);
                BYTE_BUFFER_LITERAL(out, "</li>");
            }
        }
        BYTE_BUFFER_LITERAL(out, "</ul></li>");
    }
    BYTE_BUFFER_LITERAL(out, "</ol>\n");
}

static void end(struct byte_buffer *out) {
    BYTE_BUFFER_LITERAL(out, "</main><script>");
    byte_buffer_append_text(out, script);
    BYTE_BUFFER_LITERAL(out, "</script></body></html>\n");
}

const struct report_format report_html = {
    .begin = begin, .heading = heading, .line = line, .table = table, .steps = steps, .end = end};
