/* SPDX-License-Identifier: Apache-2.0 */
/* The machine: rates from counts, latches from rates, levels from latches. */
#include "features/attack/attack_machine.h"

#include "base/clock.h"

/* Ticks that come one behind the other after a pause: a rate of so little time says nothing. */
#define STEP_LEAST_NS (WEIR_NS_PER_S / 2)
/* However long nobody looked, one look is one look: it counts for no more than two. */
#define STEP_MOST_NS (2 * WEIR_NS_PER_S)
/* Time below a threshold takes away so much of the time over it: floods that come and go are seen
 * when they are there for more than a third of the time. */
#define DECAY 2

/* Nobody honest sends bad flags, so there is no usual rate of them. */
static bool is_learnable(const struct attack_settings *settings, enum weir_flood flood)
{
	return settings->learn_ns && flood != WEIR_FLOOD_BAD_FLAGS;
}

static double learned(const struct attack_settings *settings, const struct attack_machine *machine,
		      enum weir_flood flood, enum weir_alarm level)
{
	return is_learnable(settings, flood) ?
		       settings->factor[level] * machine->rates[flood].usual :
		       0;
}

bool attack_is_learned(const struct attack_settings *settings, const struct attack_machine *machine,
		       enum weir_flood flood, enum weir_alarm level)
{
	return learned(settings, machine, flood, level) > settings->floor[flood][level];
}

double attack_threshold(const struct attack_settings *settings,
			const struct attack_machine *machine, enum weir_flood flood,
			enum weir_alarm level)
{
	return attack_is_learned(settings, machine, flood, level) ?
		       learned(settings, machine, flood, level) :
		       settings->floor[flood][level];
}

static enum weir_alarm rate_level(const struct attack_rate *rate)
{
	return rate->latch[WEIR_ATTACK].is_on	? WEIR_ATTACK :
	       rate->latch[WEIR_ELEVATED].is_on ? WEIR_ELEVATED :
						  WEIR_CALM;
}

uint32_t attack_machine_word(const struct attack_machine *machine)
{
	uint32_t word = 0, most = WEIR_CALM;

	for (int flood = 0; flood < WEIR_FLOOD_COUNT; flood++) {
		uint32_t level = rate_level(&machine->rates[flood]);

		most = level > most ? level : most;
		word |= level << (WEIR_ALARM_FLOODS_SHIFT + WEIR_ALARM_BITS * flood);
	}
	return word | most;
}

void attack_machine_resume(struct attack_machine *machine, uint32_t word, uint64_t now_ns)
{
	machine->since_ns = machine->was_since_ns = now_ns;
	for (int flood = 0; flood < WEIR_FLOOD_COUNT; flood++) {
		enum weir_alarm level = weir_alarm_of_flood(word, (enum weir_flood)flood);
		struct attack_rate *rate = &machine->rates[flood];

		rate->since_ns = now_ns;
		for (int i = WEIR_ELEVATED; i <= WEIR_ATTACK; i++)
			rate->latch[i].is_on = (int)level >= i;
		if (level != WEIR_CALM && level == weir_alarm_level(word))
			machine->cause = (enum weir_flood)flood;
	}
}

static void latch_rise(struct attack_latch *latch, bool is_over, uint64_t step_ns,
		       uint64_t after_ns)
{
	uint64_t less_ns = step_ns / DECAY;

	if (is_over)
		latch->over_ns += step_ns;
	else
		latch->over_ns -= latch->over_ns < less_ns ? latch->over_ns : less_ns;
	if (latch->over_ns >= after_ns)
		*latch = (struct attack_latch){ .is_on = true };
}

/* Any second that is not quiet begins the wait anew: what comes again and again does not end. */
static void latch_fall(struct attack_latch *latch, bool is_quiet, uint64_t step_ns,
		       uint64_t after_ns)
{
	latch->quiet_ns = is_quiet ? latch->quiet_ns + step_ns : 0;
	if (latch->quiet_ns >= after_ns)
		*latch = (struct attack_latch){};
}

/*
 * What is usual follows slowly, and nothing counts for more than what would be elevated: whatever
 * an attacker sends, he raises a threshold only as slowly as the factor allows.
 */
static void rate_learn(const struct attack_settings *settings, struct attack_machine *machine,
		       enum weir_flood flood, uint64_t step_ns)
{
	struct attack_rate *rate = &machine->rates[flood];
	double most = attack_threshold(settings, machine, flood, WEIR_ELEVATED);
	double seen = rate->now < most ? rate->now : most;

	if (is_learnable(settings, flood))
		rate->usual += (seen - rate->usual) * (double)step_ns / (double)settings->learn_ns;
}

static void rate_judge(const struct attack_settings *settings, struct attack_machine *machine,
		       enum weir_flood flood, uint64_t step_ns)
{
	struct attack_rate *rate = &machine->rates[flood];
	enum weir_alarm before = rate_level(rate);

	for (int i = WEIR_ELEVATED; i <= WEIR_ATTACK; i++) {
		struct attack_latch *latch = &rate->latch[i];
		double most = attack_threshold(settings, machine, flood, (enum weir_alarm)i);

		if (latch->is_on)
			latch_fall(latch, rate->now < most * settings->falls_below, step_ns,
				   settings->calm_after_ns);
		else
			latch_rise(latch, rate->now >= most, step_ns, settings->after_ns[i]);
	}
	if (rate_level(rate) != before)
		rate->since_ns = machine->counted_ns;
	/* Over the threshold already, it is on its way up: that is part of what was seen. And when
	 * it has just become calm, the peak is what is told of it. */
	bool is_calm = before == WEIR_CALM && rate_level(rate) == WEIR_CALM &&
		       !rate->latch[WEIR_ELEVATED].over_ns;

	rate->peak = is_calm || rate->now > rate->peak ? rate->now : rate->peak;
	rate_learn(settings, machine, flood, step_ns);
}

/* The flood that gives the level; of several, the one farthest over its threshold. A level that
 * fell to calm keeps the one it had. */
static void cause_find(const struct attack_settings *settings, struct attack_machine *machine)
{
	enum weir_alarm level = weir_alarm_level(attack_machine_word(machine));
	double most = -1;

	for (int i = 0; i < WEIR_FLOOD_COUNT && level != WEIR_CALM; i++) {
		enum weir_flood flood = (enum weir_flood)i;
		double share =
			machine->rates[i].now / attack_threshold(settings, machine, flood, level);

		if (rate_level(&machine->rates[i]) != level || share <= most)
			continue;
		most = share;
		machine->cause = flood;
	}
}

static void all_judge(struct attack_machine *machine, const struct attack_settings *settings,
		      uint64_t step_ns)
{
	enum weir_alarm before = weir_alarm_level(attack_machine_word(machine));

	for (int flood = 0; flood < WEIR_FLOOD_COUNT; flood++)
		rate_judge(settings, machine, (enum weir_flood)flood, step_ns);
	cause_find(settings, machine);
	if (weir_alarm_level(attack_machine_word(machine)) == before)
		return;
	machine->was_since_ns = machine->since_ns;
	machine->since_ns = machine->counted_ns;
}

static bool counts_follow(const struct attack_machine *machine,
			  const uint64_t packets[WEIR_FLOOD_COUNT])
{
	for (int i = 0; i < WEIR_FLOOD_COUNT; i++)
		if (packets[i] < machine->packets[i])
			return false;
	return true;
}

static void counts_take(struct attack_machine *machine, uint64_t now_ns,
			const uint64_t packets[WEIR_FLOOD_COUNT])
{
	machine->has_counts = true;
	machine->counted_ns = now_ns;
	for (int i = 0; i < WEIR_FLOOD_COUNT; i++)
		machine->packets[i] = packets[i];
}

bool attack_machine_step(struct attack_machine *machine, const struct attack_settings *settings,
			 uint64_t now_ns, const uint64_t packets[WEIR_FLOOD_COUNT],
			 uint32_t measured)
{
	uint64_t elapsed_ns = now_ns - machine->counted_ns;

	if (!machine->has_counts || now_ns < machine->counted_ns ||
	    !counts_follow(machine, packets)) {
		counts_take(machine, now_ns, packets);
		return false;
	}
	if (elapsed_ns < STEP_LEAST_NS)
		return false;
	for (int i = 0; i < WEIR_FLOOD_COUNT; i++) {
		machine->rates[i].is_measured = measured >> i & 1;
		machine->rates[i].now = (double)(packets[i] - machine->packets[i]) *
					(double)WEIR_NS_PER_S / (double)elapsed_ns;
	}
	counts_take(machine, now_ns, packets);
	all_judge(machine, settings, elapsed_ns < STEP_MOST_NS ? elapsed_ns : STEP_MOST_NS);
	return true;
}
