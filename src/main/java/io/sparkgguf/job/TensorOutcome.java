package io.sparkgguf.job;

import io.sparkgguf.gptq.Guard;
import io.sparkgguf.quant.ExactSum;
import io.sparkgguf.report.CalibratedTensor;
import java.io.Serializable;
import java.util.Locale;

/** What calibration made of a tensor; filled while its units come in. */
final class TensorOutcome implements Serializable {
    private static final long serialVersionUID = 1L;

    private Method method;
    private final HessianTasks.Factored factored;
    private final long tokens;
    private final long heldOutTokens;
    private String reason;
    private ExactSum[] training;
    private ExactSum[] heldOut;
    private ExactSum[] trainingTarget;
    private ExactSum[] heldOutTarget;
    private long solveNanos;
    private double operations;

    private TensorOutcome(
            Method method, HessianTasks.Factored factored, long tokens, long heldOutTokens, String reason) {
        this.method = method;
        this.factored = factored;
        this.tokens = tokens;
        this.heldOutTokens = heldOutTokens;
        this.reason = reason;
    }

    /** A tensor whose input was seen. */
    static TensorOutcome begin(HessianTasks.Factored factored, CalibrationTokens tokens, boolean solved) {
        Method method = solved ? Method.GPTQ : factored.isDead() ? Method.RTN : Method.IMATRIX;
        return new TensorOutcome(method, factored, tokens.counted(false), tokens.counted(true), factored.fallback());
    }

    /** A tensor that calibration did not come to. */
    static TensorOutcome unreached(String reason) {
        return new TensorOutcome(Method.RTN, null, 0, 0, reason);
    }

    /** What was solved, or rounded, was trained since. */
    void trained() {
        method = Method.QAT;
    }

    boolean isSolved() {
        return method == Method.GPTQ;
    }

    /** Why it is not solved although it was to be, or null. */
    String reason() {
        return reason;
    }

    /** Adds a unit's errors. */
    void add(SolveTask.Errors errors) {
        training = merged(training, errors.training());
        heldOut = merged(heldOut, errors.heldOut());
        trainingTarget = merged(trainingTarget, errors.trainingTarget());
        heldOutTarget = merged(heldOutTarget, errors.heldOutTarget());
        solveNanos += errors.solveNanos();
        operations += errors.operations();
    }

    private static ExactSum[] merged(ExactSum[] sums, ExactSum[] more) {
        if (sums == null || more == null) {
            return more;
        }
        for (int i = 0; i < sums.length; i++) {
            sums[i].add(more[i]);
        }
        return sums;
    }

    /**
     * Whether the result stands before the held-out tokens; importance-weighted rounding takes its place otherwise. Where
     * targets are corrected, outputs are held against the original ones.
     */
    boolean judge() {
        ExactSum[] judging = heldOutTarget != null ? heldOutTarget : heldOut;
        Guard.Verdict verdict =
                Guard.decide(judging[SolveTask.Errors.SOLVED].value(), judging[SolveTask.Errors.WEIGHTED].value());
        if (!verdict.taken()) {
            method = Method.IMATRIX;
            reason = "the guard kept importance-weighted rounding: " + verdict.reason()
                    + (heldOutTarget != null ? ", against the original outputs" : "");
        }
        return verdict.taken();
    }

    /** As the report has it. */
    CalibratedTensor report() {
        return new CalibratedTensor(
                method.label(),
                reason,
                tokens,
                heldOutTokens,
                factored == null || factored.lambda() == 0 ? null : factored.lambda(),
                factored == null || factored.raised() == 0 ? null : factored.raised(),
                factored == null || factored.deadColumns() == 0 ? null : factored.deadColumns(),
                errors(training, training),
                errors(heldOut, heldOut),
                errors(trainingTarget, training),
                errors(heldOutTarget, heldOut),
                solveNanos == 0 ? null : Math.round(solveNanos / 1e6) / 1e3,
                solveNanos == 0 ? null : Double.valueOf(String.format(Locale.ROOT, "%.3g", operations / solveNanos)));
    }

    /** @param outputs whose weights the errors are relative to */
    private static CalibratedTensor.Errors errors(ExactSum[] sums, ExactSum[] outputs) {
        if (sums == null) {
            return null;
        }
        double weights = outputs[SolveTask.Errors.WEIGHTS].value();
        return new CalibratedTensor.Errors(
                relative(sums[SolveTask.Errors.ROUNDED].value(), weights),
                relative(sums[SolveTask.Errors.WEIGHTED].value(), weights),
                relative(sums[SolveTask.Errors.SOLVED].value(), weights));
    }

    private static double relative(double error, double weights) {
        return ReportBuilder.significant(weights == 0 ? 0 : error / weights);
    }
}
