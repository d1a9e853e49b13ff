package io.sparkgguf.quant.mix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.sparkgguf.quant.mix.Budget.Candidate;
import io.sparkgguf.quant.mix.Budget.Group;
import io.sparkgguf.tensor.BlockType;
import io.sparkgguf.tensor.InvalidInputException;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Types under a budget: against all choices on small cases, and by what is promised on large ones. */
class AllocationTest {

    private static double bruteForce(List<Group> groups, int group, long bytes) {
        if (bytes < 0) {
            return Double.POSITIVE_INFINITY;
        }
        if (group == groups.size()) {
            return 0;
        }
        double best = Double.POSITIVE_INFINITY;
        for (Candidate candidate : groups.get(group).candidates()) {
            best = Math.min(best, candidate.error() + bruteForce(groups, group + 1, bytes - candidate.bytes()));
        }
        return best;
    }

    /** Groups whose candidates are anything: useless ones, equal ones, not on a hull. */
    private static List<Group> anything(Random random) {
        List<Group> groups = new ArrayList<>();
        for (int g = 1 + random.nextInt(6); g > 0; g--) {
            List<Candidate> candidates = new ArrayList<>();
            for (int c = 1 + random.nextInt(4); c > 0; c--) {
                candidates.add(new Candidate("type" + c, 1 + random.nextInt(12), random.nextInt(10)));
            }
            groups.add(new Group("group" + g, candidates));
        }
        return groups;
    }

    @Test
    void smallCasesAreTheBestThereIs() {
        for (long seed = 1; seed <= 400; seed++) {
            List<Group> groups = anything(new Random(seed));
            long smallest = new Budget(groups, 0).smallest();
            double before = Double.POSITIVE_INFINITY;
            for (long bytes = smallest; bytes <= smallest + 30; bytes++) {
                Allocation found = Allocation.of(new Budget(groups, bytes));
                String which = "seed " + seed + ", " + bytes + " bytes";
                double best = bruteForce(groups, 0, bytes);
                assertEquals(best, found.error(), 1e-9, which);
                assertTrue(found.isExact(), which);
                assertTrue(found.bytes() <= bytes, which);
                assertTrue(found.bound() <= best + 1e-9, which);
                assertTrue(best <= before, which);
                before = best;
            }
        }
    }

    /** The tensors of a model of 32 layers; errors fall by about 6 dB a bit, from levels that differ by tensor. */
    private static List<Group> model(long seed) {
        Random random = new Random(seed);
        List<Group> groups = new ArrayList<>();
        long[] weights = {4096L * 6144, 4096L * 4096, 2 * 4096L * 14336, 4096L * 14336};
        for (int layer = 0; layer < 32; layer++) {
            for (int kind = 0; kind < weights.length; kind++) {
                double level = Math.exp(1.5 * random.nextGaussian());
                List<Candidate> candidates = new ArrayList<>();
                for (BlockType type : List.of(
                        BlockType.Q2_K,
                        BlockType.Q3_K,
                        BlockType.IQ4_XS,
                        BlockType.Q4_K,
                        BlockType.Q5_K,
                        BlockType.Q6_K,
                        BlockType.Q8_0)) {
                    double error = level * Math.pow(4, -type.bitsPerElement()) * (0.9 + 0.2 * random.nextDouble());
                    candidates.add(new Candidate(type.label(), type.bytes(weights[kind]), error));
                }
                groups.add(new Group("blk." + layer + "." + kind, candidates));
            }
        }
        return groups;
    }

    @ParameterizedTest
    @ValueSource(doubles = {2.7, 3.1, 4.25, 4.5, 5.7, 8.0})
    void modelsComeWithinHalfAPercentOfTheBudgetAndOfTheBest(double bitsPerWeight) {
        for (long seed = 1; seed <= 3; seed++) {
            List<Group> groups = model(seed);
            long weights = 32 * (4096L * 6144 + 4096L * 4096 + 3 * 4096L * 14336);
            long bytes = (long) (bitsPerWeight * weights / 8);
            Allocation found = Allocation.of(new Budget(groups, bytes));
            assertTrue(found.bytes() <= bytes, found.bytes() + " of " + bytes);
            assertTrue(found.bytes() >= 0.995 * bytes, found.bytes() + " of " + bytes);
            assertTrue(found.bound() <= found.error());
            assertTrue(found.error() <= 1.005 * found.bound(), found.error() + " and " + found.bound());
            assertEquals(
                    found.choices(), Allocation.of(new Budget(groups, bytes)).choices(), "twice the same");
        }
    }

    @Test
    void whatWasChosenIsExplainedByThePrice() {
        Allocation found = Allocation.of(new Budget(model(5), 4L << 30));
        assertTrue(found.price() > 0);
        int alongTheHull = 0;
        for (Allocation.Choice choice : found.choices()) {
            // On its hull a tensor gains more than the price by its last step, and would gain less by the next one.
            if (choice.gain() >= found.price() && choice.missed() <= found.price()) {
                alongTheHull++;
            }
        }
        assertTrue(
                alongTheHull >= found.choices().size() - 8,
                alongTheHull + " of " + found.choices().size());
    }

    @Test
    void moreThanCanBeUsedIsNotUsed() {
        List<Group> groups = model(6);
        Allocation found = Allocation.of(new Budget(groups, Long.MAX_VALUE));
        assertEquals(new Budget(groups, 0).largest(), found.bytes());
        assertEquals(found.bound(), found.error());
        assertEquals(0, found.price());
        found.choices()
                .forEach(choice -> assertEquals("Q8_0", choice.candidate().type()));
    }

    @Test
    void equalGroupsAreServedInOrder() {
        List<Candidate> same = List.of(new Candidate("small", 10, 8), new Candidate("large", 20, 1));
        Allocation found = Allocation.of(
                new Budget(List.of(new Group("a", same), new Group("b", same), new Group("c", same)), 55));
        assertEquals(
                List.of("large", "large", "small"),
                found.choices().stream()
                        .map(choice -> choice.candidate().type())
                        .toList());
        assertEquals(17.0, found.error() + 7);
        assertEquals(0.7, found.price(), 1e-12);
        assertEquals(0.7, found.choices().get(0).gain(), 1e-12);
        assertEquals(0.7, found.choices().get(2).missed(), 1e-12);
        assertEquals(10 - 0.7 * 5, found.bound(), 1e-12);
    }

    @Test
    void budgetsThatCannotBeMetTellWhatCan() {
        List<Candidate> some = List.of(new Candidate("small", 1000, 8), new Candidate("large", 2500, 1));
        Budget budget = new Budget(List.of(new Group("a", some), new Group("b", some)), 1999);
        assertEquals(
                "Cannot fit the tensors into 1,999 bytes: with the types allowed they have between 2,000 and 5,000 bytes",
                assertThrows(InvalidInputException.class, () -> Allocation.of(budget))
                        .getMessage());
        assertEquals(
                "Cannot choose a type for a: floor and ceiling leave none",
                assertThrows(InvalidInputException.class, () -> new Group("a", List.of()))
                        .getMessage());
        assertEquals(
                "Cannot choose a type for a: small is offered twice",
                assertThrows(IllegalArgumentException.class, () -> new Group("a", List.of(some.get(0), some.get(0))))
                        .getMessage());
        assertThrows(IllegalArgumentException.class, () -> new Candidate("Q4_K", 1, Double.NaN));
    }
}
