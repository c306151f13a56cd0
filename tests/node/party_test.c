/* Who there is to talk to: members, services, and clients up to a limit. */
#include "node/party.h"

#include <stdio.h>

#include "cmocka_all.h"

static struct slice client(char *name, size_t size, int i)
{
  return slice_of(name, (size_t)snprintf(name, size, "c%d", i));
}

static void test_members_and_services(void **state)
{
  (void)state;
  struct parties p;
  parties_init(&p, 4);
  assert_int_equal(parties_find(&p, SLICE("lin-kv"))->kind, PARTY_SERVICE);
  assert_int_equal(parties_find(&p, SLICE("lin-tso"))->kind, PARTY_SERVICE);
  assert_null(parties_find(&p, SLICE("n1")));
  parties_heard(&p, SLICE("n1")); /* known as a client before init names it */
  parties_add_member(&p, SLICE("n1"));
  parties_add_member(&p, SLICE("n2"));
  parties_add_member(&p, SLICE("n1"));
  assert_int_equal(p.member_count, 2);
  assert_int_equal(p.client_count, 0);
  assert_true(slice_equal(party_name(p.members[1]), SLICE("n2")));
  assert_int_equal(parties_heard(&p, SLICE("n2"))->kind, PARTY_MEMBER);
  assert_true(parties_find(&p, SLICE("n2"))->heard);
  parties_free(&p);
}

static void test_the_client_silent_for_longest_is_forgotten(void **state)
{
  (void)state;
  struct parties p;
  char name[16];
  parties_init(&p, 3);
  for (int i = 1; i <= 3; i++) {
    parties_heard(&p, client(name, sizeof name, i));
  }
  parties_heard(&p, SLICE("c1"));
  parties_heard(&p, SLICE("c4"));
  assert_null(parties_find(&p, SLICE("c2")));
  assert_non_null(parties_find(&p, SLICE("c1")));
  assert_int_equal(p.client_count, 3);
  parties_find(&p, SLICE("c3"))->refs = 1; /* an operation refers to it: the next one goes */
  parties_heard(&p, SLICE("c5"));
  assert_non_null(parties_find(&p, SLICE("c3")));
  assert_null(parties_find(&p, SLICE("c1")));
  for (int i = 10; i < 1000; i++) {
    parties_heard(&p, client(name, sizeof name, i));
  }
  assert_int_equal(p.client_count, 3);
  assert_non_null(parties_find(&p, SLICE("c3")));
  parties_free(&p);
}

/* Thousands of members and clients: the table grows, clients go in the order in which they were heard from, members stay where they are. */
static void test_many(void **state)
{
  (void)state;
  enum {
    MEMBERS = 1500,
    CLIENTS = 5000,
    KEPT = 700
  };
  static struct party *members[MEMBERS];
  char name[16];
  struct parties p;
  parties_init(&p, KEPT);
  for (int i = 0; i < MEMBERS; i++) {
    struct slice member = slice_of(name, (size_t)snprintf(name, sizeof name, "n%d", i));
    if (i % 7 == 0) {
      parties_heard(&p, member); /* a client first, in memory of its own */
    }
    parties_add_member(&p, member);
    members[i] = parties_find(&p, member);
  }
  static int heard[CLIENTS]; /* when */
  int now = 0;
  for (int i = 0; i < CLIENTS; i++) {
    int again = i * 7919 % (i + 1);
    parties_heard(&p, client(name, sizeof name, i));
    parties_heard(&p, client(name, sizeof name, again));
    heard[i] = ++now;
    heard[again] = ++now;
  }
  assert_int_equal(p.client_count, KEPT);
  assert_int_equal(p.member_count, MEMBERS);
  assert_int_equal(p.count, MEMBERS + KEPT + 4);
  for (int i = 0; i < CLIENTS; i++) {
    int later = 0;
    for (int k = 0; k < CLIENTS; k++) {
      later += heard[k] > heard[i];
    }
    assert_true((parties_find(&p, client(name, sizeof name, i)) != NULL) == (later < KEPT));
  }
  for (int i = 0; i < MEMBERS; i++) {
    struct slice member = slice_of(name, (size_t)snprintf(name, sizeof name, "n%d", i));
    assert_ptr_equal(parties_find(&p, member), members[i]);
    assert_ptr_equal(p.members[i], members[i]);
    assert_true(slice_equal(party_name(members[i]), member));
  }
  parties_free(&p);
}

static void test_a_name_may_be_as_long_as_allowed(void **state)
{
  (void)state;
  char name[255];
  struct parties p;
  parties_init(&p, 4);
  for (int i = 0; i < 20; i++) { /* more than a block of memory takes */
    memset(name, 'a' + i, sizeof name);
    parties_add_member(&p, slice_of(name, sizeof name));
  }
  assert_int_equal(p.member_count, 20);
  memset(name, 'c', sizeof name);
  assert_ptr_equal(parties_find(&p, slice_of(name, sizeof name)), p.members[2]);
  assert_null(parties_find(&p, slice_of(name, sizeof name - 1)));
  parties_free(&p);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_members_and_services),
      cmocka_unit_test(test_the_client_silent_for_longest_is_forgotten),
      cmocka_unit_test(test_many),
      cmocka_unit_test(test_a_name_may_be_as_long_as_allowed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
