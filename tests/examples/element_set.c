#include "element_set.h"

#include <stdlib.h>

#include "load.h"
#include "json/iter.h"

void element_set_free(struct element_set *s)
{
  free(s->elements);
  *s = (struct element_set){0};
}

int64_t element_set_next(struct element_set *s)
{
  s->elements = realloc(s->elements, (s->len + 1) * sizeof *s->elements);
  if (s->elements == NULL) {
    abort();
  }
  s->elements[s->len] = (struct element){0};
  return (int64_t)s->len++;
}

void element_set_known(struct element_set *s, int64_t element, uint64_t now_ns)
{
  struct element *e = &s->elements[element];
  e->known_ns = e->known_ns == 0 ? now_ns : e->known_ns;
}

void element_set_read(struct element_set *s, struct slice array, uint64_t invoked_ns, uint64_t now_ns, bool final)
{
  bool *shown = calloc(s->len + 1, 1);
  struct json_iter it;
  struct slice value;
  if (shown == NULL) {
    abort();
  }
  json_iter_init(&it, array);
  while (json_iter_element(&it, &value)) {
    int64_t element = load_integer(value);
    CHECK(element >= 0 && (size_t)element < s->len, "element %lld was never added", (long long)element);
    s->duplicates += shown[element];
    shown[element] = true;
  }
  for (size_t i = 0; i < s->len; i++) {
    struct element *e = &s->elements[i];
    if (shown[i]) {
      element_set_known(s, (int64_t)i, now_ns);
    } else {
      e->last_absent_ns = invoked_ns > e->last_absent_ns ? invoked_ns : e->last_absent_ns;
      e->lost = e->lost || (final && e->known_ns != 0);
    }
  }
  free(shown);
}

static int compare(const void *a, const void *b)
{
  double x = *(const double *)a;
  double y = *(const double *)b;
  return (x > y) - (x < y);
}

struct element_verdict element_set_verdict(const struct element_set *s)
{
  struct element_verdict v = {.duplicates = s->duplicates};
  double *latencies = calloc(s->len + 1, sizeof *latencies);
  if (latencies == NULL) {
    abort();
  }
  for (size_t i = 0; i < s->len; i++) {
    const struct element *e = &s->elements[i];
    if (e->known_ns != 0) {
      latencies[v.known++] = e->last_absent_ns > e->known_ns ? (double)(e->last_absent_ns - e->known_ns) / 1e6 : 0;
      v.lost += e->lost;
    }
  }
  if (v.known > 0) {
    qsort(latencies, v.known, sizeof *latencies, compare);
    v.median_ms = latencies[v.known / 2];
    v.max_ms = latencies[v.known - 1];
  }
  free(latencies);
  return v;
}
