/* Sessions by hand, and against a plain list of everything that was kept, through random histories in which one replica replays all of it
 * and another starts anew from encoded tables. */
#include "node/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/prng.h"
#include "cmocka_all.h"
#include "node/raft.h"
#include "json/scan.h"

static struct slice text_of(const char *text)
{
  return slice_of(text, strlen(text));
}

static enum session_verdict look(struct sessions *s, uint64_t session, uint64_t sequence, uint64_t below)
{
  long long code = -1;
  struct slice value = {0};
  return sessions_look(s, session, sequence, below, &code, &value);
}

static void expect_repeat(struct sessions *s, uint64_t session, uint64_t sequence, uint64_t below, long long code, const char *value)
{
  long long found = -1;
  struct slice v = {0};
  assert_int_equal(sessions_look(s, session, sequence, below, &found, &v), SESSION_REPEAT);
  assert_int_equal(found, code);
  assert_true(slice_equal(v, text_of(value)));
}

static void expect_encoding(const struct sessions *s, const char *expected)
{
  struct buf out = {0};
  struct json_error error;
  sessions_encode(s, &out);
  assert_int_equal(json_scan(buf_slice(&out), &error), 0);
  buf_append_char(&out, '\0');
  assert_string_equal(out.data, expected);
  buf_free(&out);
}

static void test_life(void **state)
{
  (void)state;
  struct sessions *s = sessions_new();
  uint64_t nonce = 99;
  expect_encoding(s, "[]");
  assert_int_equal(sessions_of(s, SLICE("n1"), &nonce), 0);
  assert_int_equal(nonce, 0);
  assert_int_equal(look(s, 5, 1, 1), SESSION_SKIP);
  assert_int_equal(sessions_open(s, SLICE("n1"), 70, 5), 5);
  assert_int_equal(sessions_open(s, SLICE("n2"), 71, 6), 6);
  assert_int_equal(sessions_open(s, SLICE("n1"), 70, 7), 5); /* the entry was appended twice */
  assert_int_equal(look(s, 7, 1, 1), SESSION_SKIP);
  assert_int_equal(sessions_of(s, SLICE("n1"), &nonce), 5);
  assert_int_equal(nonce, 70);

  assert_int_equal(look(s, 5, 0, 0), SESSION_SKIP); /* sequences are from 1 */
  assert_int_equal(look(s, 5, 1, 1), SESSION_APPLY);
  sessions_keep(s, 5, 1, 0, SLICE("{\"value\":3}"));
  expect_repeat(s, 5, 1, 1, 0, "{\"value\":3}");
  assert_int_equal(look(s, 6, 1, 1), SESSION_APPLY); /* another session's first */
  assert_int_equal(look(s, 5, 3, 1), SESSION_APPLY);
  sessions_keep(s, 5, 3, 20, SLICE("the text of an error is not kept"));
  expect_repeat(s, 5, 3, 1, 20, "");
  assert_int_equal(look(s, 5, 2, 1), SESSION_APPLY); /* out of order */
  sessions_keep(s, 5, 2, 0, SLICE("[]"));
  expect_encoding(s, "[{\"id\":5,\"nonce\":70,\"node\":\"n1\",\"below\":1,\"results\":[[1,0,{\"value\":3}],[2,0,[]],[3,20]]},"
                     "{\"id\":6,\"nonce\":71,\"node\":\"n2\",\"below\":1,\"results\":[]}]");

  expect_repeat(s, 5, 2, 2, 0, "[]");
  assert_int_equal(look(s, 5, 1, 2), SESSION_SKIP); /* below the mark */
  assert_int_equal(look(s, 5, 1, 1), SESSION_SKIP); /* and the mark does not go back */
  assert_int_equal(look(s, 5, 2, 9), SESSION_SKIP); /* it rises first */
  expect_encoding(s, "[{\"id\":5,\"nonce\":70,\"node\":\"n1\",\"below\":9,\"results\":[]},"
                     "{\"id\":6,\"nonce\":71,\"node\":\"n2\",\"below\":1,\"results\":[]}]");

  assert_int_equal(sessions_open(s, SLICE("n1"), 72, 8), 8); /* a newer one ends the old one */
  assert_int_equal(look(s, 5, 9, 9), SESSION_SKIP);
  assert_int_equal(look(s, 8, 1, 1), SESSION_APPLY);
  sessions_end(s, SLICE("n2"));
  sessions_end(s, SLICE("nobody"));
  assert_int_equal(look(s, 6, 1, 1), SESSION_SKIP);
  assert_int_equal(sessions_count(s), 1);
  uint64_t id;
  struct slice node;
  size_t results;
  sessions_at(s, 0, &id, &node, &results);
  assert_int_equal(id, 8);
  assert_true(slice_equal(node, SLICE("n1")));
  assert_int_equal(results, 0);
  sessions_free(s);
  sessions_free(NULL);
}

static void test_window(void **state)
{
  (void)state;
  struct sessions *s = sessions_new();
  sessions_open(s, SLICE("n1"), 1, 1);
  assert_int_equal(look(s, 1, 1 + NODE_PROPOSALS_IN_FLIGHT, 1), SESSION_APPLY);
  assert_int_equal(look(s, 1, 2 + NODE_PROPOSALS_IN_FLIGHT, 1), SESSION_SKIP);
  for (uint64_t i = 1 + NODE_PROPOSALS_IN_FLIGHT; i >= 1; i--) { /* all of it, backwards */
    assert_int_equal(look(s, 1, i, 1), SESSION_APPLY);
    sessions_keep(s, 1, i, 0, SLICE("1"));
  }
  for (uint64_t i = 1; i <= 1 + NODE_PROPOSALS_IN_FLIGHT; i++) {
    expect_repeat(s, 1, i, 1, 0, "1");
  }
  assert_int_equal(look(s, 1, 2 + NODE_PROPOSALS_IN_FLIGHT, 2), SESSION_APPLY);
  assert_int_equal(look(s, 1, 5, UINT64_MAX), SESSION_SKIP); /* absurd, but no crash: all later ones are below the mark */
  assert_int_equal(look(s, 1, UINT64_MAX, 1), SESSION_SKIP);
  sessions_free(s);

  s = sessions_new();
  uint64_t far = UINT64_MAX - 3; /* all 64 bits */
  assert_int_equal(sessions_open(s, SLICE("n\"1\xc3\xa9"), UINT64_MAX, UINT64_MAX), UINT64_MAX);
  assert_int_equal(look(s, UINT64_MAX, far, far), SESSION_APPLY);
  sessions_keep(s, UINT64_MAX, far, 12345678901, (struct slice){0});
  const char *encoded = "[{\"id\":-1,\"nonce\":-1,\"node\":\"n\\\"1\xc3\xa9\",\"below\":-4,\"results\":[[-4,12345678901]]}]";
  expect_encoding(s, encoded);
  assert_int_equal(sessions_decode(s, text_of(encoded)), 0);
  expect_encoding(s, encoded);
  expect_repeat(s, UINT64_MAX, far, far, 12345678901, "");
  sessions_free(s);
}

static void test_decode_refuses(void **state)
{
  (void)state;
#define ONE "{\"id\":5,\"nonce\":7,\"node\":\"n1\",\"below\":3,\"results\":[[3,0,{}],[4,20]]}"
  static const char *const good[] = {
      "[]",
      " [ ] ",
      "[" ONE "]",
      "[ {\"results\":[ [3 , 0,{} ],[4,20]], \"below\":3,\"more\":1,\"\\u006eode\":\"n\\u0031\",\"nonce\":7 ,\"id\":5} ]",
      "[" ONE ",{\"id\":6,\"nonce\":7,\"node\":\"n2\",\"below\":1,\"results\":[[1025,0]]}]",
  };
  static const char *const bad[] = {
      "",
      "{}",
      "17",
      "[1]",
      "[[]]",
      "[{\"id\":5,\"nonce\":7,\"node\":\"n1\",\"below\":3,\"results\":[]},{\"id\":5,\"nonce\":7,\"node\":\"n1\",\"below\":3,\"results\":[]}"
      "]",
      "[{\"id\":5,\"nonce\":7,\"node\":\"n1\",\"below\":3,\"results\":[]},{\"id\":6,\"nonce\":7,\"node\":\"n1\",\"below\":1,\"results\":[]}"
      "]", /* two of one node */
      "[{\"id\":5,\"nonce\":7,\"node\":\"n1\",\"below\":3,\"results\":[]},{\"id\":4,\"nonce\":7,\"node\":\"n2\",\"below\":1,\"results\":[]}"
      "]", /* ids descend */
      "[{\"nonce\":7,\"node\":\"n1\",\"below\":3,\"results\":[]}]",
      "[{\"id\":5,\"node\":\"n1\",\"below\":3,\"results\":[]}]",
      "[{\"id\":5,\"nonce\":7,\"below\":3,\"results\":[]}]",
      "[{\"id\":5,\"nonce\":7,\"node\":\"n1\",\"results\":[]}]",
      "[{\"id\":5,\"nonce\":7,\"node\":\"n1\",\"below\":3}]",
      "[{\"id\":\"5\",\"nonce\":7,\"node\":\"n1\",\"below\":3,\"results\":[]}]",
      "[{\"id\":5,\"nonce\":null,\"node\":\"n1\",\"below\":3,\"results\":[]}]",
      "[{\"id\":5,\"nonce\":7.5,\"node\":\"n1\",\"below\":3,\"results\":[]}]",
      "[{\"id\":5,\"nonce\":7,\"node\":1,\"below\":3,\"results\":[]}]",
      "[{\"id\":5,\"nonce\":7,\"node\":\"n1\",\"below\":0,\"results\":[]}]",
      "[{\"id\":5,\"nonce\":7,\"node\":\"n1\",\"below\":3,\"results\":{}}]",
      "[{\"id\":5,\"nonce\":7,\"node\":\"n1\",\"below\":3,\"results\":[3]}]",
      "[{\"id\":5,\"nonce\":7,\"node\":\"n1\",\"below\":3,\"results\":[[3]]}]",
      "[{\"id\":5,\"nonce\":7,\"node\":\"n1\",\"below\":3,\"results\":[[3,0,1,2]]}]",
      "[{\"id\":5,\"nonce\":7,\"node\":\"n1\",\"below\":3,\"results\":[[3,0,1,2,5]]}]",
      "[{\"id\":5,\"nonce\":7,\"node\":\"n1\",\"below\":3,\"results\":[[3,20,1]]}]",
      "[{\"id\":5,\"nonce\":7,\"node\":\"n1\",\"below\":3,\"results\":[[\"3\",0]]}]",
      "[{\"id\":5,\"nonce\":7,\"node\":\"n1\",\"below\":3,\"results\":[[2,0]]}]",    /* below the mark */
      "[{\"id\":5,\"nonce\":7,\"node\":\"n1\",\"below\":3,\"results\":[[1028,0]]}]", /* beyond the window */
      "[{\"id\":5,\"nonce\":7,\"node\":\"n1\",\"below\":3,\"results\":[[4,0],[4,0]]}]",
      "[{\"id\":5,\"nonce\":7,\"node\":\"n1\",\"below\":3,\"results\":[[5,0],[4,0]]}]",
  };
#undef ONE
  struct sessions *s = sessions_new();
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    assert_int_equal(sessions_decode(s, text_of(good[i])), 0);
    assert_int_equal(sessions_count(s), i < 2 ? 0 : i < 4 ? 1 : 2);
  }
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    sessions_open(s, SLICE("somebody"), 1, 1);
    if (sessions_decode(s, text_of(bad[i])) != ERROR_MALFORMED) {
      fail_msg("accepted: %s", bad[i]);
    }
    assert_int_equal(sessions_count(s), 0);
  }
  sessions_free(s);
}

/* ---- against a model ---- */

enum {
  NODES = 6,
  KEPT_MAX = 200000
};

struct kept {
  uint64_t session;
  uint64_t sequence;
  long long code;
  char value[64];
};

struct model {
  uint64_t id[NODES]; /* 0 = no session */
  uint64_t nonce[NODES];
  uint64_t below[NODES];
  struct kept *kept;
  size_t count;
};

static struct slice node_name(size_t i)
{
  static const char *const names[NODES] = {"n0", "n1", "n2", "n3", "a node", "n\\5"};
  return text_of(names[i]);
}

static const struct kept *model_find(const struct model *m, uint64_t session, uint64_t sequence)
{
  for (size_t i = m->count; i > 0 && m->count - i < 20000; i--) {
    if (m->kept[i - 1].session == session && m->kept[i - 1].sequence == sequence) {
      return &m->kept[i - 1];
    }
  }
  return NULL;
}

static enum session_verdict model_look(struct model *m, uint64_t session, uint64_t sequence, uint64_t below, const struct kept **kept)
{
  for (size_t i = 0; i < NODES; i++) {
    if (m->id[i] == session) {
      m->below[i] = below > m->below[i] ? below : m->below[i];
      if (sequence < m->below[i] || sequence > m->below[i] + NODE_PROPOSALS_IN_FLIGHT) {
        return SESSION_SKIP;
      }
      *kept = model_find(m, session, sequence);
      return *kept == NULL ? SESSION_APPLY : SESSION_REPEAT;
    }
  }
  return SESSION_SKIP;
}

struct run {
  struct prng prng;
  struct model model;
  struct sessions *replay; /* has seen all */
  struct sessions *fresh;  /* begins anew from encoded tables */
  uint64_t index;
  uint64_t verdicts[3];
};

static void step_proposal(struct run *r)
{
  struct model *m = &r->model;
  size_t node = prng_below(&r->prng, NODES);
  uint64_t session = prng_below(&r->prng, 20) == 0 ? prng_below(&r->prng, r->index + 2) + 1 : m->id[node];
  uint64_t mark = m->below[node] == 0 ? 1 : m->below[node];
  uint64_t below = mark;
  if (prng_below(&r->prng, 8) == 0) {
    below += prng_below(&r->prng, prng_below(&r->prng, 50) == 0 ? 3000 : 16);
  } else if (prng_below(&r->prng, 4) == 0) {
    below -= prng_below(&r->prng, below);
  }
  uint64_t reach = prng_below(&r->prng, 10) == 0 ? NODE_PROPOSALS_IN_FLIGHT + 10 : 48;
  uint64_t sequence = mark + prng_below(&r->prng, reach);
  sequence -= prng_below(&r->prng, 10) == 0 ? prng_below(&r->prng, sequence) : 0;
  const struct kept *kept = NULL;
  enum session_verdict expected = session == 0 ? SESSION_SKIP : model_look(m, session, sequence, below, &kept);
  r->verdicts[expected]++;
  struct sessions *both[] = {r->replay, r->fresh};
  for (size_t i = 0; i < 2; i++) {
    long long code = -1;
    struct slice value = {0};
    assert_int_equal(sessions_look(both[i], session, sequence, below, &code, &value), expected);
    if (expected == SESSION_REPEAT) {
      assert_int_equal(code, kept->code);
      assert_true(slice_equal(value, text_of(kept->value)));
    }
  }
  if (expected != SESSION_APPLY) {
    return;
  }
  assert_true(m->count < KEPT_MAX);
  struct kept *k = &m->kept[m->count++];
  *k = (struct kept){.session = session, .sequence = sequence, .code = prng_below(&r->prng, 4) == 0 ? 20 : 0};
  if (k->code == 0) {
    snprintf(k->value, sizeof k->value, "{\"v\":[%u,\"%.*s\"]}", (unsigned)m->count, (int)prng_below(&r->prng, 30),
             "a value that may be long, or not");
  }
  for (size_t i = 0; i < 2; i++) {
    sessions_keep(both[i], session, sequence, k->code, k->code == 0 ? text_of(k->value) : SLICE("differs"));
  }
}

static void step_open(struct run *r)
{
  size_t node = prng_below(&r->prng, NODES);
  struct model *m = &r->model;
  uint64_t nonce = prng_below(&r->prng, 3) == 0 ? m->nonce[node] : prng_next(&r->prng);
  if (m->id[node] == 0 || m->nonce[node] != nonce) {
    m->id[node] = r->index;
    m->nonce[node] = nonce;
    m->below[node] = 1;
  }
  assert_int_equal(sessions_open(r->replay, node_name(node), nonce, r->index), m->id[node]);
  assert_int_equal(sessions_open(r->fresh, node_name(node), nonce, r->index), m->id[node]);
}

static void step_end(struct run *r)
{
  size_t node = prng_below(&r->prng, NODES);
  r->model.id[node] = 0;
  r->model.below[node] = 0;
  sessions_end(r->replay, node_name(node));
  sessions_end(r->fresh, node_name(node));
}

/* Both tables give the same bytes, and a table that is read from them gives them again. */
static void step_snapshot(struct run *r)
{
  struct buf a = {0};
  struct buf b = {0};
  struct buf c = {0};
  struct json_error error;
  sessions_encode(r->replay, &a);
  sessions_encode(r->fresh, &b);
  assert_true(slice_equal(buf_slice(&a), buf_slice(&b)));
  assert_int_equal(json_scan(buf_slice(&a), &error), 0);
  assert_null(memchr(a.data, '\n', a.len));
  sessions_free(r->fresh);
  r->fresh = sessions_new();
  assert_int_equal(sessions_decode(r->fresh, buf_slice(&a)), 0);
  sessions_encode(r->fresh, &c);
  assert_true(slice_equal(buf_slice(&a), buf_slice(&c)));
  buf_free(&a);
  buf_free(&b);
  buf_free(&c);
}

static void check_listing(const struct run *r)
{
  size_t count = 0;
  uint64_t last = 0;
  for (size_t i = 0; i < NODES; i++) {
    uint64_t nonce = 0;
    assert_int_equal(sessions_of(r->replay, node_name(i), &nonce), r->model.id[i]);
    assert_int_equal(nonce, r->model.id[i] == 0 ? 0 : r->model.nonce[i]);
    count += r->model.id[i] != 0;
  }
  assert_int_equal(sessions_count(r->replay), count);
  for (size_t i = 0; i < count; i++) {
    uint64_t id;
    struct slice node;
    size_t results;
    sessions_at(r->replay, i, &id, &node, &results);
    assert_true(id > last);
    last = id;
    for (size_t j = 0; j < NODES; j++) {
      if (r->model.id[j] == id) {
        size_t expected = 0;
        for (size_t k = 0; k < r->model.count; k++) {
          expected += r->model.kept[k].session == id && r->model.kept[k].sequence >= r->model.below[j];
        }
        assert_true(slice_equal(node, node_name(j)));
        assert_int_equal(results, expected);
      }
    }
  }
}

static void test_model(void **state)
{
  (void)state;
  for (uint64_t seed = 1; seed <= 8; seed++) {
    struct run r = {.replay = sessions_new(), .fresh = sessions_new()};
    prng_init(&r.prng, seed);
    r.model.kept = malloc(KEPT_MAX * sizeof *r.model.kept);
    assert_non_null(r.model.kept);
    uint64_t rare = seed % 2 == 0 ? 200 : 5000; /* openings and ends: seldom, and very seldom, so that windows fill */
    for (r.index = 1; r.index <= 12000; r.index++) {
      uint64_t what = r.index < 20 ? 0 : prng_below(&r.prng, rare);
      if (what == 0) {
        step_open(&r);
      } else if (what == 1) {
        step_end(&r);
      } else {
        step_proposal(&r);
      }
      if (prng_below(&r.prng, 500) == 0) {
        step_snapshot(&r);
        check_listing(&r);
      }
    }
    for (size_t i = 0; i < 3; i++) {
      assert_true(r.verdicts[i] > 500);
    }
    sessions_free(r.replay);
    sessions_free(r.fresh);
    free(r.model.kept);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_life),
      cmocka_unit_test(test_window),
      cmocka_unit_test(test_decode_refuses),
      cmocka_unit_test(test_model),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
