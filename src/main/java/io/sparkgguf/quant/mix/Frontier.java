package io.sparkgguf.quant.mix;

import io.sparkgguf.quant.mix.Budget.Candidate;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * The candidates of a group that are worth their bytes: each has less error than all that are not larger.
 *
 * @param choices by bytes upwards, so by error downwards
 * @param hull those of them, by number, that a line touches from below: the best for some price of a byte
 */
record Frontier(List<Candidate> choices, List<Integer> hull) {

    static Frontier of(Budget.Group group) {
        List<Candidate> sorted = new ArrayList<>(group.candidates());
        sorted.sort(Comparator.comparingLong(Candidate::bytes)
                .thenComparingDouble(Candidate::error)
                .thenComparing(Candidate::type));
        List<Candidate> choices = new ArrayList<>();
        for (Candidate candidate : sorted) {
            if (choices.isEmpty()
                    || candidate.error() < choices.get(choices.size() - 1).error()) {
                choices.add(candidate);
            }
        }
        List<Integer> hull = new ArrayList<>();
        for (int i = 0; i < choices.size(); i++) {
            while (hull.size() >= 2
                    && gain(choices, hull.get(hull.size() - 2), hull.get(hull.size() - 1))
                            <= gain(choices, hull.get(hull.size() - 1), i)) {
                hull.remove(hull.size() - 1);
            }
            hull.add(i);
        }
        return new Frontier(choices, hull);
    }

    /** Error that goes with each byte more. */
    private static double gain(List<Candidate> choices, int from, int to) {
        Candidate less = choices.get(from);
        Candidate more = choices.get(to);
        return (less.error() - more.error()) / (more.bytes() - less.bytes());
    }

    /** The same from one choice to a larger one. */
    double gain(int from, int to) {
        return gain(choices, from, to);
    }

    Candidate last() {
        return choices.get(choices.size() - 1);
    }
}
