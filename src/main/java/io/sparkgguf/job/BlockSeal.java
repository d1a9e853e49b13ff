package io.sparkgguf.job;

import io.sparkgguf.model.forward.LinearInput;
import java.util.List;

/**
 * Says that a block is done.
 *
 * @param factored what became of the Hessians of its inputs
 * @param notes what was not as asked
 * @param endedBy null, or why calibration ended in it
 */
record BlockSeal(List<HessianTasks.Factored> factored, List<String> notes, String endedBy) {
    static final String ITEM = "seal";

    /** What became of some inputs; null when calibration ended before them. */
    List<HessianTasks.Factored> of(List<LinearInput> inputs) {
        List<HessianTasks.Factored> found =
                factored.stream().filter(each -> inputs.contains(each.input())).toList();
        return found.size() == inputs.size() ? found : null;
    }
}
