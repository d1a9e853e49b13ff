package io.sparkgguf.report;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.util.List;

/**
 * What a run would do.
 *
 * @param sourceBytes bytes that it would read
 * @param fileBytes bytes that it would write, headers and padding included
 * @param units work units
 * @param peakUnitMemory bytes of memory of the largest unit
 * @param cost what it would take
 * @param calibration what calibration would do, or null
 * @param budget how types were chosen by size, or null
 * @param warnings what would not be as asked
 */
@JsonInclude(JsonInclude.Include.NON_NULL)
public record PlanReport(
        String model,
        String architecture,
        String type,
        long weights,
        long sourceBytes,
        long fileBytes,
        double bitsPerWeight,
        int units,
        long peakUnitMemory,
        CostReport cost,
        CalibrationReport calibration,
        BudgetReport budget,
        List<Report.Output> outputs,
        List<Tensor> tensors,
        List<String> warnings) {

    /** The same with another cost. */
    public PlanReport withCost(CostReport other) {
        return new PlanReport(
                model,
                architecture,
                type,
                weights,
                sourceBytes,
                fileBytes,
                bitsPerWeight,
                units,
                peakUnitMemory,
                other,
                calibration,
                budget,
                outputs,
                tensors,
                warnings);
    }

    /** As {@link Report.Tensor}, before anything is measured. */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record Tensor(
            String name,
            List<Long> shape,
            String source,
            String type,
            String rule,
            String reason,
            String wanted,
            String file,
            long offset,
            long bytes,
            int units,
            boolean importance) {}
}
