#include "raft/watch_chain.h"

#include <string.h>

#include "base/assert.h"
#include "base/memory.h"

void chain_init(struct chain *c)
{
  *c = (struct chain){0};
}

void chain_free(struct chain *c)
{
  for (size_t i = 0; i < c->cell_count; i++) {
    free(c->cells[i].configuration);
    for (struct chain_cell *cell = c->cells[i].next, *next; cell != NULL; cell = next) {
      next = cell->next;
      free(cell->configuration);
      free(cell);
    }
  }
  for (size_t i = 0; i < c->first_count; i++) {
    free(c->firsts[i]);
  }
  free(c->cells);
  free(c->committed);
  free(c->outcomes);
  free(c->configurations);
  free(c->firsts);
  free(c->reigns);
  *c = (struct chain){0};
}

/* ---- entries ---- */

bool chain_equal(const struct raft_configuration *a, const struct raft_configuration *b)
{
  size_t count = a == NULL ? 0 : a->count;
  if (count != (b == NULL ? 0 : b->count)) {
    return false;
  }
  for (size_t i = 0; i < count; i++) {
    if (a->members[i].id != b->members[i].id || a->members[i].voice != b->members[i].voice) {
      return false;
    }
  }
  return true;
}

static struct raft_configuration *copy_configuration(const struct raft_configuration *from)
{
  if (from == NULL) {
    return NULL;
  }
  struct raft_configuration *to = memory_zeroed(1, sizeof *to);
  to->count = from->count;
  memcpy(to->members, from->members, from->count * sizeof from->members[0]);
  return to;
}

/* The cell of an entry; a new one has no term. */
static struct chain_cell *cell_of(struct chain *c, uint64_t index, uint64_t term)
{
  if (index > c->cell_count) {
    c->cells = memory_grow(c->cells, &c->cell_cap, index, sizeof *c->cells);
    memset(&c->cells[c->cell_count], 0, (index - c->cell_count) * sizeof *c->cells);
    c->cell_count = index;
  }
  struct chain_cell *cell = &c->cells[index - 1];
  while (cell->term != term && cell->term != 0) {
    if (cell->next == NULL) {
      cell->next = memory_zeroed(1, sizeof *cell);
    }
    cell = cell->next;
  }
  return cell;
}

const char *chain_entry(struct chain *c, uint64_t index, uint64_t prev_term, uint64_t hash, const struct raft_entry *e)
{
  struct chain_cell *cell = cell_of(c, index, e->term);
  if (cell->term == 0) {
    cell->term = e->term;
    cell->prev_term = prev_term;
    cell->hash = hash;
    cell->size = e->size;
    cell->type = e->type;
    cell->configuration = copy_configuration(e->configuration);
    return NULL;
  }
  if (!chain_same(cell->prev_term, prev_term)) {
    return "another entry before it elsewhere (log matching)";
  }
  if (cell->prev_term == 0) {
    cell->prev_term = prev_term;
  }
  if (cell->type != e->type || cell->size != e->size) {
    return "an entry of another type or size elsewhere (log matching)";
  }
  if (cell->hash != hash) {
    return "other bytes elsewhere (log matching)";
  }
  return chain_equal(cell->configuration, e->configuration) ? NULL : "another configuration elsewhere (log matching)";
}

const struct chain_cell *chain_find(const struct chain *c, uint64_t index, uint64_t term)
{
  if (index == 0 || index > c->cell_count) {
    return NULL;
  }
  const struct chain_cell *cell = &c->cells[index - 1];
  while (cell != NULL && cell->term != term) {
    cell = cell->next;
  }
  return cell;
}

/* ---- what is committed ---- */

static void add_configuration(struct chain *c, uint64_t index, const struct raft_configuration *configuration)
{
  c->configurations = memory_grow(c->configurations, &c->configuration_cap, c->configuration_count + 1, sizeof *c->configurations);
  size_t at = c->configuration_count++;
  for (; at > 0 && c->configurations[at - 1].index > index; at--) {
    c->configurations[at] = c->configurations[at - 1];
  }
  c->configurations[at] = (struct chain_configuration){.index = index, .configuration = configuration};
}

bool chain_configuration_at(const struct chain *c, uint64_t index, struct chain_configuration *out)
{
  size_t i = c->configuration_count;
  while (i > 0 && c->configurations[i - 1].index > index) {
    i--;
  }
  if (i == 0) {
    return false;
  }
  *out = c->configurations[i - 1];
  return true;
}

bool chain_commit(struct chain *c, const uint64_t *terms, uint64_t index)
{
  size_t known = c->committed_count;
  size_t common = index < known ? index : known;
  if (common > 0 && !chain_same(c->committed[common - 1], terms[common - 1])) {
    return false;
  }
  c->committed = memory_grow(c->committed, &c->committed_cap, index, sizeof *c->committed);
  for (size_t i = known; i < index; i++) {
    c->committed[i] = terms[i];
    c->committed_count = i + 1;
    const struct chain_cell *cell = chain_find(c, i + 1, terms[i]);
    if (cell != NULL && cell->configuration != NULL) {
      add_configuration(c, i + 1, cell->configuration);
    }
  }
  return true;
}

bool chain_begins(struct chain *c, uint64_t index, uint64_t term, uint64_t made_at, const struct raft_configuration *configuration)
{
  if (index > c->committed_count) {
    c->committed = memory_grow(c->committed, &c->committed_cap, index, sizeof *c->committed);
    memset(&c->committed[c->committed_count], 0, (index - c->committed_count) * sizeof *c->committed);
    c->committed_count = index;
  }
  if (index > 0) {
    if (!chain_same(c->committed[index - 1], term)) {
      return false;
    }
    c->committed[index - 1] = term;
  }
  struct chain_configuration known;
  if (configuration->count == 0) {
    return true; /* a member that is to be added later */
  }
  if (chain_configuration_at(c, made_at, &known) && known.index == made_at) {
    return chain_equal(known.configuration, configuration);
  }
  c->firsts = memory_grow(c->firsts, &c->first_cap, c->first_count + 1, sizeof *c->firsts);
  c->firsts[c->first_count++] = copy_configuration(configuration);
  add_configuration(c, made_at, c->firsts[c->first_count - 1]);
  return true;
}

bool chain_outcome(struct chain *c, uint64_t index, uint64_t outcome)
{
  if (outcome == 0 || index == 0) {
    return true;
  }
  if (index > c->outcome_count) {
    c->outcomes = memory_grow(c->outcomes, &c->outcome_cap, index, sizeof *c->outcomes);
    memset(&c->outcomes[c->outcome_count], 0, (index - c->outcome_count) * sizeof *c->outcomes);
    c->outcome_count = index;
  }
  uint64_t *known = &c->outcomes[index - 1];
  if (*known == 0) {
    *known = outcome;
  }
  return *known == outcome;
}

/* ---- who led ---- */

/* How many reigns are of terms up to this one. */
static size_t reigns_through(const struct chain *c, uint64_t term)
{
  size_t i = c->reign_count;
  while (i > 0 && c->reigns[i - 1].term > term) {
    i--;
  }
  return i;
}

const struct chain_reign *chain_reign(const struct chain *c, uint64_t term)
{
  size_t i = reigns_through(c, term);
  return i > 0 && c->reigns[i - 1].term == term ? &c->reigns[i - 1] : NULL;
}

uint64_t chain_enthrone(struct chain *c, uint64_t term, uint64_t id, uint64_t start)
{
  size_t at = reigns_through(c, term);
  assert(at == 0 || c->reigns[at - 1].term != term);
  uint64_t committed = at == 0 ? 0 : c->reigns[at - 1].committed;
  c->reigns = memory_grow(c->reigns, &c->reign_cap, c->reign_count + 1, sizeof *c->reigns);
  memmove(&c->reigns[at + 1], &c->reigns[at], (c->reign_count - at) * sizeof *c->reigns);
  c->reigns[at] = (struct chain_reign){.term = term, .id = id, .start = start, .committed = committed};
  c->reign_count++;
  return committed;
}

void chain_reigned(struct chain *c, uint64_t term, uint64_t index)
{
  size_t i = reigns_through(c, term);
  for (i = i == 0 ? 0 : i - 1; i < c->reign_count; i++) {
    if (c->reigns[i].term >= term && c->reigns[i].committed < index) {
      c->reigns[i].committed = index;
    }
  }
}
