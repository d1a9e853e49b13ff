package io.sparkgguf.quant.mix;

import io.sparkgguf.tensor.InvalidInputException;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * What types may be chosen for tensors, and how many bytes they may have altogether.
 *
 * @param groups each gets one type: a tensor, or some that are tied; at least one
 * @param bytes that all of them may have, beside what is fixed
 */
public record Budget(List<Group> groups, long bytes) {
    public Budget {
        groups = List.copyOf(groups);
        if (groups.isEmpty()) {
            throw new IllegalArgumentException("Cannot choose types for no tensors");
        }
    }

    /**
     * Tensors that get the same type.
     *
     * @param name for people and reports
     * @param candidates at least one, each type once; floors and ceilings are those that are not among them
     */
    public record Group(String name, List<Candidate> candidates) {
        public Group {
            candidates = List.copyOf(candidates);
            Set<String> types = new HashSet<>();
            for (Candidate candidate : candidates) {
                if (!types.add(candidate.type())) {
                    throw new IllegalArgumentException(
                            "Cannot choose a type for " + name + ": " + candidate.type() + " is offered twice");
                }
            }
            if (candidates.isEmpty()) {
                throw new InvalidInputException("Cannot choose a type for " + name + ": floor and ceiling leave none");
            }
        }
    }

    /**
     * A type for a group.
     *
     * @param bytes that its tensors would have
     * @param error that this would cost, on a scale that all groups share: squared errors add up
     */
    public record Candidate(String type, long bytes, double error) {
        public Candidate {
            if (bytes < 0 || !(error >= 0 && error <= Double.MAX_VALUE)) {
                throw new IllegalArgumentException(
                        "Cannot offer " + type + " of " + bytes + " bytes and an error of " + error);
            }
        }
    }

    /** Bytes of the smallest choice. */
    public long smallest() {
        return groups.stream()
                .mapToLong(group -> group.candidates().stream()
                        .mapToLong(Candidate::bytes)
                        .min()
                        .orElseThrow())
                .reduce(0, Math::addExact);
    }

    /** Bytes of the choice of least error, of several the smallest: more bytes would gain nothing. */
    public long largest() {
        return groups.stream()
                .mapToLong(group -> Frontier.of(group).last().bytes())
                .reduce(0, Math::addExact);
    }
}
