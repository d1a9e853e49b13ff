package io.sparkgguf.job;

import io.sparkgguf.job.stage.Stage;
import io.sparkgguf.quant.linear.ClipSearch;
import io.sparkgguf.quant.linear.LinearScheme;
import io.sparkgguf.quant.linear.ValueRange;
import java.io.IOException;
import java.util.ArrayList;

/**
 * What each clip of a whole tensor costs in a slice, by scheme.
 *
 * @param schemes of whole tensors that look for a clip
 * @param ranges of the tensors, by number
 */
record SurveyClips(SurveyRows rows, ArrayList<LinearScheme> schemes, ArrayList<ValueRange> ranges)
        implements Stage.Task<SurveySlice, double[][]> {

    @Override
    public double[][] run(SurveySlice slice) throws IOException {
        float[] weights = rows.weightsOfErrors(slice);
        ValueRange range = ranges.get(slice.tensor());
        ClipSearch[] searches = schemes.stream()
                .map(scheme -> new ClipSearch().begin(scheme, range))
                .toArray(ClipSearch[]::new);
        rows.read(slice, (x, count) -> {
            for (ClipSearch search : searches) {
                for (int row = 0; row < count; row++) {
                    search.add(x, row * slice.columns(), slice.columns(), weights, 0);
                }
            }
        });
        double[][] sums = new double[searches.length][];
        for (int i = 0; i < sums.length; i++) {
            sums[i] = searches[i].sums();
        }
        return sums;
    }
}
