/* What faults and their targets are called. */
#include <string.h>

#include "sim/nemesis.h"

enum {
  NAME_MAX_BYTES = 32, /* of what is compared, and quoted */
};

static const char *const fault_names[SIM_FAULTS] = {
    [SIM_FAULT_PARTITION] = "partition", [SIM_FAULT_PARTITION_ONEWAY] = "partition-oneway",
    [SIM_FAULT_KILL] = "kill",           [SIM_FAULT_PAUSE] = "pause",
    [SIM_FAULT_SLOW] = "slow",           [SIM_FAULT_LOSS] = "loss",
    [SIM_FAULT_DUPLICATE] = "duplicate", [SIM_FAULT_CLOCK] = "clock",
    [SIM_FAULT_DISK] = "disk",
};

static const struct {
  const char *name;
  enum sim_target target;
  bool listed; /* else another spelling, Jepsen's */
} targets[] = {
    {"any", SIM_TARGET_ANY, false},
    {"one", SIM_TARGET_ONE, true},
    {"minority", SIM_TARGET_MINORITY, true},
    {"majority", SIM_TARGET_MAJORITY, true},
    {"all", SIM_TARGET_ALL, true},
    {"leader", SIM_TARGET_LEADER, true},
    {"halves", SIM_TARGET_HALVES, true},
    {"ring", SIM_TARGET_RING, true},
    {"bridge", SIM_TARGET_BRIDGE, true},
    {"minority-third", SIM_TARGET_MINORITY, false},
    {"majorities-ring", SIM_TARGET_RING, false},
};

enum {
  TARGETS = sizeof targets / sizeof targets[0]
};

const char *sim_fault_name(enum sim_fault fault)
{
  return fault_names[fault];
}

const char *sim_target_name(enum sim_target target)
{
  size_t i = 0;
  while (targets[i].target != target) {
    i++;
  }
  return targets[i].name;
}

bool sim_fault_fits(enum sim_fault fault, enum sim_target target)
{
  switch (target) {
  case SIM_TARGET_ALL:
    return fault != SIM_FAULT_PARTITION_ONEWAY; /* nobody would be left to be cut off from */
  case SIM_TARGET_HALVES:
    return fault == SIM_FAULT_PARTITION || fault == SIM_FAULT_PARTITION_ONEWAY;
  case SIM_TARGET_RING:
  case SIM_TARGET_BRIDGE:
    return fault == SIM_FAULT_PARTITION;
  default:
    return true;
  }
}

/* ---- what may have been meant ---- */

static unsigned least(unsigned a, unsigned b)
{
  return a < b ? a : b;
}

/* How many characters have to be put in, taken out or changed to make one the other. */
static unsigned distance(struct slice text, const char *name)
{
  unsigned row[NAME_MAX_BYTES + 1];
  size_t n = text.len < NAME_MAX_BYTES ? text.len : NAME_MAX_BYTES;
  for (size_t j = 0; j <= n; j++) {
    row[j] = (unsigned)j;
  }
  for (size_t i = 0; name[i] != '\0'; i++) {
    unsigned diagonal = row[0];
    row[0] = (unsigned)i + 1;
    for (size_t j = 0; j < n; j++) {
      unsigned changed = diagonal + (text.ptr[j] != name[i]);
      diagonal = row[j + 1];
      row[j + 1] = least(changed, least(row[j], row[j + 1]) + 1);
    }
  }
  return row[n];
}

struct guess {
  struct slice text;
  const char *name; /* the nearest so far */
  unsigned distance;
};

static void consider(struct guess *g, const char *name)
{
  bool begins = g->text.len > 0 && g->text.len <= strlen(name) && memcmp(name, g->text.ptr, g->text.len) == 0;
  unsigned d = begins ? 0 : distance(g->text, name);
  if (d <= strlen(name) / 3 && (g->name == NULL || d < g->distance)) {
    g->name = name;
    g->distance = d;
  }
}

static void say_guess(struct buf *why, const struct guess *g)
{
  if (g->name != NULL) {
    buf_printf(why, " (did you mean \"%s\"?)", g->name);
  }
}

/* ---- parsing ---- */

static void quote(struct buf *why, struct slice text)
{
  bool cut = text.len > NAME_MAX_BYTES;
  buf_append_char(why, '"');
  buf_append(why, text.ptr, cut ? NAME_MAX_BYTES : text.len);
  buf_append_str(why, cut ? "…\"" : "\"");
}

static bool parse_fault(struct slice text, enum sim_fault *out, struct buf *why)
{
  struct guess guess = {.text = text};
  for (int i = 0; i < SIM_FAULTS; i++) {
    if (slice_equal(text, slice_of(fault_names[i], strlen(fault_names[i])))) {
      *out = (enum sim_fault)i;
      return true;
    }
    consider(&guess, fault_names[i]);
  }
  buf_append_str(why, "there is no fault ");
  quote(why, text);
  say_guess(why, &guess);
  for (int i = 0; i < SIM_FAULTS; i++) {
    buf_printf(why, "%s %s", i == 0 ? "; there are" : ",", fault_names[i]);
  }
  return false;
}

static bool parse_target(struct slice text, enum sim_fault fault, enum sim_target *out, struct buf *why)
{
  struct guess guess = {.text = text};
  bool exists = false;
  for (size_t i = 0; i < TARGETS; i++) {
    bool fits = sim_fault_fits(fault, targets[i].target);
    if (slice_equal(text, slice_of(targets[i].name, strlen(targets[i].name)))) {
      if (fits) {
        *out = targets[i].target;
        return true;
      }
      exists = true;
    }
    if (fits) {
      consider(&guess, targets[i].name);
    }
  }
  buf_printf(why, "%s has no target ", fault_names[fault]);
  quote(why, text);
  if (!exists) {
    say_guess(why, &guess);
  }
  const char *separator = "; it has";
  for (size_t i = 0; i < TARGETS; i++) {
    if (targets[i].listed && sim_fault_fits(fault, targets[i].target)) {
      buf_printf(why, "%s %s", separator, targets[i].name);
      separator = ",";
    }
  }
  return false;
}

bool sim_fault_parse(struct slice text, struct sim_fault_spec *out, struct buf *why)
{
  const char *colon = text.len == 0 ? NULL : memchr(text.ptr, ':', text.len);
  struct slice kind = colon == NULL ? text : slice_of(text.ptr, (size_t)(colon - text.ptr));
  struct sim_fault_spec spec = {.target = SIM_TARGET_ANY};
  if (!parse_fault(kind, &spec.fault, why)) {
    return false;
  }
  if (colon != NULL && !parse_target(slice_of(colon + 1, text.len - kind.len - 1), spec.fault, &spec.target, why)) {
    return false;
  }
  *out = spec;
  return true;
}
