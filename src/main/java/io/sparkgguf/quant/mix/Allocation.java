package io.sparkgguf.quant.mix;

import io.sparkgguf.quant.mix.Budget.Candidate;
import io.sparkgguf.tensor.InvalidInputException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;

/**
 * The types of least total error within a budget.
 *
 * <p>Lagrangian relaxation first: with a price for a byte, each group alone takes the candidate of least error plus price,
 * so the best choices for falling prices are the steps along the lower convex hulls, steepest first. What the first step
 * that no longer fits leaves of the budget is used up by smaller ones, then by the best change of one group or of two at a
 * time, until none helps. Last, all choices that the price does not rule out are looked at, unless there are more than
 * {@link #STATES} at once: then what was found may not be the best, and {@link #bound()} tells how far from it it can be at
 * the most. Ties go to the group that comes first.
 *
 * <p>Source: Everett, Generalized Lagrange multiplier method (1963); Shoham and Gersho, Efficient bit allocation for an
 * arbitrary set of quantizers (1988).
 */
public final class Allocation {
    /** Partial choices that the search through all may hold. */
    private static final int STATES = 1 << 13;

    /** Changes that are made at the most to use up what is left. */
    private static final int CHANGES = 500;

    private final Budget budget;
    private final List<Frontier> frontiers;
    private final int[] chosen;
    private double price;
    private double bound;
    private boolean exact;

    private Allocation(Budget budget) {
        this.budget = budget;
        frontiers = budget.groups().stream().map(Frontier::of).toList();
        chosen = new int[frontiers.size()];
    }

    /**
     * What a group got, and why.
     *
     * @param gain error that a byte less would add: (error of the next smaller worth its bytes - error) / bytes saved; 0 when
     *     there is no smaller one
     * @param missed error that a byte more would take away; 0 when more bytes gain nothing
     */
    public record Choice(String group, Candidate candidate, double gain, double missed) {}

    /**
     * Chooses.
     *
     * @throws InvalidInputException when the smallest choice is larger than the budget, with what can be reached
     */
    public static Allocation of(Budget budget) {
        long smallest = budget.smallest();
        if (budget.bytes() < smallest) {
            throw new InvalidInputException(
                    "Cannot fit the tensors into %,d bytes: with the types allowed they have between %,d and %,d bytes"
                            .formatted(budget.bytes(), smallest, budget.largest()));
        }
        Allocation allocation = new Allocation(budget);
        allocation.descend();
        allocation.improve();
        allocation.exact = allocation.searchAll();
        return allocation;
    }

    /** A step of a group from one point of its hull to the next. */
    private record Step(int group, int to, double gain) {}

    /** Takes steps along the hulls while they fit, and finds the bound from the first that does not. */
    private void descend() {
        PriorityQueue<Step> steps = new PriorityQueue<>(
                Comparator.comparingDouble((Step step) -> -step.gain()).thenComparingInt(Step::group));
        for (int g = 0; g < chosen.length; g++) {
            offer(steps, g, 0);
        }
        long left = left();
        boolean bounded = false;
        while (!steps.isEmpty()) {
            Step step = steps.remove();
            int to = frontiers.get(step.group()).hull().get(step.to());
            long more = choice(step.group(), to).bytes() - chosen(step.group()).bytes();
            if (!bounded && more > left) {
                // A part of this step would fill the budget: no choice has less error.
                bound = error() - step.gain() * left;
                price = step.gain();
                bounded = true;
            }
            if (more <= left) {
                left -= more;
                chosen[step.group()] = to;
                offer(steps, step.group(), step.to());
            }
        }
        if (!bounded) {
            bound = error();
        }
    }

    private void offer(PriorityQueue<Step> steps, int group, int at) {
        Frontier frontier = frontiers.get(group);
        if (at + 1 < frontier.hull().size()) {
            steps.add(new Step(
                    group,
                    at + 1,
                    frontier.gain(frontier.hull().get(at), frontier.hull().get(at + 1))));
        }
    }

    /** A change of one group, or of two: the second is the first again where there is none. */
    private record Change(int a, int ofA, int b, int ofB, double error) {}

    /** Makes the best change, again and again, until none helps. */
    private void improve() {
        for (int i = 0; i < CHANGES; i++) {
            Change best = new Change(0, chosen[0], 0, chosen[0], -1e-12 * error());
            Change none = best;
            for (int a = 0; a < chosen.length; a++) {
                for (int choice = 0; choice < frontiers.get(a).choices().size(); choice++) {
                    best = better(best, a, choice);
                }
            }
            if (best == none) {
                return;
            }
            chosen[best.a()] = best.ofA();
            chosen[best.b()] = best.ofB();
        }
    }

    /** The best change in which group {@code a} takes this choice, if it is better than {@code best}. */
    private Change better(Change best, int a, int choice) {
        Change least = best;
        long spare = left() - (choice(a, choice).bytes() - chosen(a).bytes());
        double error = choice(a, choice).error() - chosen(a).error();
        if (spare >= 0 && error < least.error()) {
            least = new Change(a, choice, a, choice, error);
        }
        for (int b = 0; b < chosen.length; b++) {
            int other = b == a ? -1 : largest(b, chosen(b).bytes() + spare); // of least error among those that fit
            if (other >= 0 && error + choice(b, other).error() - chosen(b).error() < least.error()) {
                least = new Change(
                        a,
                        choice,
                        b,
                        other,
                        error + choice(b, other).error() - chosen(b).error());
            }
        }
        return least;
    }

    /** The number of a group's largest choice of at most so many bytes, or -1. */
    private int largest(int group, long bytes) {
        int found = -1;
        for (Candidate candidate : frontiers.get(group).choices()) {
            if (candidate.bytes() > bytes) {
                break;
            }
            found++;
        }
        return found;
    }

    /** A choice for the first groups, linked to the one without the last. */
    private record Partial(long bytes, double error, int last, Partial before) {}

    /**
     * Goes through all choices that may be better than what is chosen, group by group: not those that another beats in
     * bytes and error, nor those that could not be better were the rest chosen freely at the price.
     *
     * @return false when there are too many
     */
    private boolean searchAll() {
        double known = error();
        double[] freeAfter = new double[chosen.length + 1];
        for (int g = chosen.length - 1; g >= 0; g--) {
            freeAfter[g] = freeAfter[g + 1]
                    + frontiers.get(g).choices().stream()
                            .mapToDouble(candidate -> candidate.error() + price * candidate.bytes())
                            .min()
                            .orElseThrow();
        }
        List<Partial> states = List.of(new Partial(0, 0, -1, null));
        for (int g = 0; g < chosen.length && !states.isEmpty(); g++) {
            List<Partial> next = new ArrayList<>();
            for (Partial state : states) {
                for (int c = 0; c < frontiers.get(g).choices().size(); c++) {
                    Partial more = new Partial(
                            state.bytes() + choice(g, c).bytes(),
                            state.error() + choice(g, c).error(),
                            c,
                            state);
                    double atLeast = more.error() + freeAfter[g + 1] - price * (budget.bytes() - more.bytes());
                    if (more.bytes() <= budget.bytes() && atLeast < known) {
                        next.add(more);
                    }
                }
            }
            states = unbeaten(next);
            if (states.size() > STATES) {
                return false;
            }
        }
        if (!states.isEmpty() && states.get(states.size() - 1).error() < known) {
            Partial best = states.get(states.size() - 1);
            for (int g = chosen.length - 1; g >= 0; g--) {
                chosen[g] = best.last();
                best = best.before();
            }
        }
        return true;
    }

    private static List<Partial> unbeaten(List<Partial> states) {
        states.sort(Comparator.comparingLong(Partial::bytes).thenComparingDouble(Partial::error));
        List<Partial> kept = new ArrayList<>();
        for (Partial state : states) {
            if (kept.isEmpty() || state.error() < kept.get(kept.size() - 1).error()) {
                kept.add(state);
            }
        }
        return kept;
    }

    private Candidate choice(int group, int number) {
        return frontiers.get(group).choices().get(number);
    }

    private Candidate chosen(int group) {
        return choice(group, chosen[group]);
    }

    private long left() {
        return budget.bytes() - bytes();
    }

    /** Bytes of what is chosen, never more than the budget. */
    public long bytes() {
        long sum = 0;
        for (int g = 0; g < chosen.length; g++) {
            sum = Math.addExact(sum, chosen(g).bytes());
        }
        return sum;
    }

    /** Error of what is chosen. */
    public double error() {
        double sum = 0;
        for (int g = 0; g < chosen.length; g++) {
            sum += chosen(g).error();
        }
        return sum;
    }

    /** No choice within the budget has less error than this. */
    public double bound() {
        return Math.max(0, bound);
    }

    /** Whether no choice within the budget has less error. */
    public boolean isExact() {
        return exact;
    }

    /** Error for a byte at which the relaxation met the budget; 0 when the budget is more than can be used. */
    public double price() {
        return price;
    }

    /** All that a group could get, as it was offered. */
    public List<Candidate> candidates(int group) {
        return budget.groups().get(group).candidates();
    }

    /** What each group got, in the order of the budget. */
    public List<Choice> choices() {
        List<Choice> all = new ArrayList<>();
        for (int g = 0; g < chosen.length; g++) {
            Frontier frontier = frontiers.get(g);
            all.add(new Choice(
                    budget.groups().get(g).name(),
                    chosen(g),
                    chosen[g] == 0 ? 0 : frontier.gain(chosen[g] - 1, chosen[g]),
                    chosen[g] == frontier.choices().size() - 1 ? 0 : frontier.gain(chosen[g], chosen[g] + 1)));
        }
        return all;
    }
}
