package io.sparkgguf.plan;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class RunCostTest {
    private static final double EXACT = 1e-9;

    /** So many tasks at once, whatever they hold, and storage that is no hindrance. */
    private record Slots(long count, long bandwidth) implements Capacity {
        @Override
        public long slots(long memory) {
            return count;
        }
    }

    private static Slots fast(long count) {
        return new Slots(count, Long.MAX_VALUE);
    }

    @Test
    void aStageAddsUpItsTasksAndKnowsTheLargest() {
        StageCost stage =
                StageCost.of("solve").with(2, 70, 10, 1).with(3, 5, 90, 20, 4).with(0, 9, 900, 900, 900);
        assertEquals(new StageCost("solve", 4, 17, 5, 90, 70, 13, 24), stage);
    }

    @ParameterizedTest
    @CsvSource({
        "1, 15", // one after the other
        "2, 9", // five tasks of 3 s on average: three rounds
        "5, 7", // no shorter than the longest
        "500, 7"
    })
    void noStageIsShorterThanItsLongestTaskNorThanItsShare(long slots, double expected) {
        StageCost stage = StageCost.of("quantize").with(4, 2, 0, 0, 0).with(7, 0, 0, 0);
        RunCost run = new RunCost(List.of(stage), 0, 0, 0);
        assertEquals(expected, run.seconds(fast(slots)), EXACT);
    }

    @Test
    void storageTakesItsTimeOfEveryTask() {
        StageCost stage = StageCost.of("copy").with(10, 1, 0, 300, 200);
        RunCost run = new RunCost(List.of(stage), 0, 0, 0);
        assertEquals(10, run.coreSeconds(), EXACT);
        assertEquals(5 * (1 + 500 / 100.0), run.seconds(new Slots(2, 100)), EXACT);
    }

    @Test
    void theCriticalPathIsTheLongestTaskOfEachStage() {
        RunCost run = new RunCost(
                List.of(
                        StageCost.of("solve").with(1, 10, 0, 0).with(4, 20, 0, 0),
                        StageCost.of("nothing"),
                        StageCost.of("propagate").with(8, 2, 0, 0, 0),
                        StageCost.of("solve").with(3, 30, 7, 0)),
                0,
                0,
                0);
        assertEquals(4 + 2 + 3, run.criticalSeconds(), EXACT);
        assertEquals(run.criticalSeconds(), run.seconds(fast(1000)), EXACT);
        assertEquals(List.of("solve", "propagate"), List.copyOf(run.kinds().keySet()));
        RunCost.Kind solve = run.kinds().get("solve");
        assertEquals(2, solve.stages());
        assertEquals(7, solve.criticalSeconds(), EXACT);
        assertEquals(30, solve.sum().memory());
        assertEquals(3, solve.sum().tasks());
        assertEquals(8 + 2 * 8, run.coreSeconds(), EXACT);
    }
}
