namespace LongTake.Torch;

/// <summary>
/// The operators LongTake uses, one line each: C# names, libtorch's semantics. A test holds every name and argument list
/// against the schemas of the installed libtorch.
/// </summary>
public static class Ops
{
    // ---- arithmetic
    private static readonly Op add = new("aten::add.Tensor(self, other, alpha)");
    private static readonly Op addScalar = new("aten::add.Scalar(self, other)");
    private static readonly Op sub = new("aten::sub.Tensor(self, other)");
    private static readonly Op mul = new("aten::mul.Tensor(self, other)");
    private static readonly Op mulScalar = new("aten::mul.Scalar(self, other)");
    private static readonly Op div = new("aten::div.Tensor(self, other)");
    private static readonly Op divScalar = new("aten::div.Scalar(self, other)");
    private static readonly Op neg = new("aten::neg(self)");
    private static readonly Op abs = new("aten::abs(self)");
    private static readonly Op exp = new("aten::exp(self)");
    private static readonly Op log = new("aten::log(self)");
    private static readonly Op sin = new("aten::sin(self)");
    private static readonly Op cos = new("aten::cos(self)");
    private static readonly Op sqrt = new("aten::sqrt(self)");
    private static readonly Op rsqrt = new("aten::rsqrt(self)");
    private static readonly Op square = new("aten::square(self)");
    private static readonly Op pow = new("aten::pow.Tensor_Scalar(self, exponent)");
    private static readonly Op round = new("aten::round(self)");
    private static readonly Op clamp = new("aten::clamp(self, min, max)");
    private static readonly Op nanToNum = new("aten::nan_to_num(self, nan, posinf, neginf)");
    private static readonly Op where = new("aten::where.self(condition, self, other)");
    private static readonly Op maskedFill = new("aten::masked_fill.Scalar(self, mask, value)");
    private static readonly Op lerp = new("aten::lerp.Scalar(self, end, weight)");

    public static Tensor Add(Tensor a, Tensor b, double alpha = 1) => add.One(a, b, alpha);
    public static Tensor Add(Tensor a, double b) => addScalar.One(a, b);
    public static Tensor Sub(Tensor a, Tensor b) => sub.One(a, b);
    public static Tensor Mul(Tensor a, Tensor b) => mul.One(a, b);
    public static Tensor Mul(Tensor a, double b) => mulScalar.One(a, b);
    public static Tensor Div(Tensor a, Tensor b) => div.One(a, b);
    public static Tensor Div(Tensor a, double b) => divScalar.One(a, b);
    public static Tensor Neg(Tensor x) => neg.One(x);
    public static Tensor Abs(Tensor x) => abs.One(x);
    public static Tensor Exp(Tensor x) => exp.One(x);
    public static Tensor Log(Tensor x) => log.One(x);
    public static Tensor Sin(Tensor x) => sin.One(x);
    public static Tensor Cos(Tensor x) => cos.One(x);
    public static Tensor Sqrt(Tensor x) => sqrt.One(x);
    public static Tensor Rsqrt(Tensor x) => rsqrt.One(x);
    public static Tensor Square(Tensor x) => square.One(x);
    public static Tensor Pow(Tensor x, double exponent) => pow.One(x, exponent);
    public static Tensor Round(Tensor x) => round.One(x);
    public static Tensor Clamp(Tensor x, double min, double max) => clamp.One(x, min, max);
    public static Tensor ClampMin(Tensor x, double min) => clamp.One(x, min, Value.None);
    public static Tensor NanToNum(Tensor x, double value = 0) => nanToNum.One(x, value, Value.None, Value.None);
    public static Tensor Where(Tensor condition, Tensor a, Tensor b) => where.One(condition, a, b);
    public static Tensor MaskedFill(Tensor x, Tensor mask, double value) => maskedFill.One(x, mask, value);
    public static Tensor Lerp(Tensor a, Tensor b, double weight) => lerp.One(a, b, weight);

    // ---- comparison
    private static readonly Op eq = new("aten::eq.Scalar(self, other)");
    private static readonly Op ge = new("aten::ge.Scalar(self, other)");
    private static readonly Op lt = new("aten::lt.Scalar(self, other)");
    private static readonly Op geTensor = new("aten::ge.Tensor(self, other)");
    private static readonly Op ltTensor = new("aten::lt.Tensor(self, other)");
    private static readonly Op isFinite = new("aten::isfinite(self)");
    private static readonly Op all = new("aten::all(self)");
    private static readonly Op equal = new("aten::equal(self, other)");

    public static Tensor Eq(Tensor x, double value) => eq.One(x, value);
    public static Tensor Ge(Tensor x, double value) => ge.One(x, value);
    public static Tensor Lt(Tensor x, double value) => lt.One(x, value);
    public static Tensor Ge(Tensor a, Tensor b) => geTensor.One(a, b);
    public static Tensor Lt(Tensor a, Tensor b) => ltTensor.One(a, b);
    public static bool AllFinite(Tensor x) => all.One(isFinite.One(x)).Scalar() != 0;
    public static bool Equal(Tensor a, Tensor b) => equal.Number(a, b) != 0;

    // ---- reductions
    private static readonly Op sum = new("aten::sum(self)");
    private static readonly Op sumDims = new("aten::sum.dim_IntList(self, dim, keepdim)");
    private static readonly Op mean = new("aten::mean(self)");
    private static readonly Op meanDims = new("aten::mean.dim(self, dim, keepdim)");
    private static readonly Op amax = new("aten::amax(self, dim, keepdim)");
    private static readonly Op amin = new("aten::amin(self, dim, keepdim)");
    private static readonly Op argmin = new("aten::argmin(self, dim)");
    private static readonly Op norm = new("aten::linalg_vector_norm(self)");
    private static readonly Op cumsum = new("aten::cumsum(self, dim)");

    public static Tensor Sum(Tensor x) => sum.One(x);
    public static Tensor Sum(Tensor x, ReadOnlySpan<long> dims, bool keepdim = false) => sumDims.One(x, dims, keepdim);
    public static Tensor Mean(Tensor x) => mean.One(x);
    public static Tensor Mean(Tensor x, ReadOnlySpan<long> dims, bool keepdim = false) => meanDims.One(x, dims, keepdim);
    public static Tensor Max(Tensor x) => amax.One(x, (long[])[], false);
    public static Tensor Max(Tensor x, ReadOnlySpan<long> dims, bool keepdim = false) => amax.One(x, dims, keepdim);
    public static Tensor Min(Tensor x) => amin.One(x, (long[])[], false);
    public static Tensor ArgMin(Tensor x, int dim) => argmin.One(x, dim);
    public static Tensor Norm(Tensor x) => norm.One(x);
    public static Tensor CumSum(Tensor x, int dim) => cumsum.One(x, dim);

    // ---- shape
    private static readonly Op reshape = new("aten::reshape(self, shape)");
    private static readonly Op permute = new("aten::permute(self, dims)");
    private static readonly Op transpose = new("aten::transpose.int(self, dim0, dim1)");
    private static readonly Op unsqueeze = new("aten::unsqueeze(self, dim)");
    private static readonly Op squeeze = new("aten::squeeze.dim(self, dim)");
    private static readonly Op expand = new("aten::expand(self, size)");
    private static readonly Op asStrided = new("aten::as_strided(self, size, stride)");
    private static readonly Op select = new("aten::select.int(self, dim, index)");
    private static readonly Op narrow = new("aten::narrow(self, dim, start, length)");
    private static readonly Op indexSelect = new("aten::index_select(self, dim, index)");
    private static readonly Op cat = new("aten::cat(tensors, dim)");
    private static readonly Op stack = new("aten::stack(tensors, dim)");
    private static readonly Op split = new("aten::split.Tensor(self, split_size, dim)");
    private static readonly Op unbind = new("aten::unbind.int(self, dim)");
    private static readonly Op pad = new("aten::constant_pad_nd(self, pad, value)");
    private static readonly Op repeatInterleave = new("aten::repeat_interleave.self_int(self, repeats, dim)");
    private static readonly Op contiguous = new("aten::contiguous(self)");
    private static readonly Op clone = new("aten::clone(self)");
    private static readonly Op flip = new("aten::flip(self, dims)");

    public static Tensor Reshape(Tensor x, params ReadOnlySpan<long> shape) => reshape.One(x, shape);
    public static Tensor Permute(Tensor x, params ReadOnlySpan<long> dims) => permute.One(x, dims);
    public static Tensor Transpose(Tensor x, int a, int b) => transpose.One(x, a, b);
    public static Tensor Unsqueeze(Tensor x, int dim) => unsqueeze.One(x, dim);
    public static Tensor Squeeze(Tensor x, int dim) => squeeze.One(x, dim);
    /// <summary>The elements at sum(index * stride) of x's memory.</summary>
    public static Tensor AsStrided(Tensor x, ReadOnlySpan<long> size, ReadOnlySpan<long> stride) => asStrided.One(x, size, stride);
    public static Tensor Expand(Tensor x, params ReadOnlySpan<long> shape) => expand.One(x, shape);
    public static Tensor Select(Tensor x, int dim, long index) => select.One(x, dim, index);
    public static Tensor Narrow(Tensor x, int dim, long start, long length) => narrow.One(x, dim, start, length);
    public static Tensor IndexSelect(Tensor x, int dim, Tensor index) => indexSelect.One(x, dim, index);
    public static Tensor Cat(ReadOnlySpan<Tensor> tensors, int dim = 0) => cat.One(Value.List(tensors), dim);
    public static Tensor Stack(ReadOnlySpan<Tensor> tensors, int dim = 0) => stack.One(Value.List(tensors), dim);
    public static Tensor[] Split(Tensor x, long size, int dim) => split.Many(x, size, dim);
    public static Tensor[] Unbind(Tensor x, int dim) => unbind.Many(x, dim);
    /// <summary>Pads with a constant; pairs (before, after) from the last dimension on.</summary>
    public static Tensor Pad(Tensor x, ReadOnlySpan<long> pairs, double value = 0) => pad.One(x, pairs, value);
    public static Tensor RepeatInterleave(Tensor x, long repeats, int dim) => repeatInterleave.One(x, repeats, dim);
    public static Tensor Contiguous(Tensor x) => contiguous.One(x);
    public static Tensor Clone(Tensor x) => clone.One(x);
    public static Tensor Flip(Tensor x, params ReadOnlySpan<long> dims) => flip.One(x, dims);

    // ---- linear algebra and networks
    private static readonly Op matmul = new("aten::matmul(self, other)");
    private static readonly Op addmm = new("aten::addmm(self, mat1, mat2, beta, alpha)");
    private static readonly Op linear = new("aten::linear(input, weight, bias)");
    private static readonly Op conv3d = new("aten::conv3d(input, weight, bias, stride, padding)");
    private static readonly Op conv2d = new("aten::conv2d(input, weight, bias, stride, padding)");
    private static readonly Op layerNorm = new("aten::layer_norm(input, normalized_shape, weight, bias, eps)");
    private static readonly Op softmax = new("aten::softmax.int(self, dim, dtype)");
    private static readonly Op embedding = new("aten::embedding(weight, indices)");
    private static readonly Op silu = new("aten::silu(self)");
    private static readonly Op gelu = new("aten::gelu(self, approximate)");
    private static readonly Op sigmoid = new("aten::sigmoid(self)");
    private static readonly Op relu = new("aten::relu(self)");
    private static readonly Op upsampleNearest = new("aten::upsample_nearest2d(self, output_size)");
    private static readonly Op upsampleBicubic = new("aten::upsample_bicubic2d(self, output_size, align_corners)");
    private static readonly Op eigh = new("aten::linalg_eigh(self, UPLO)");
    private static readonly Op einsum = new("aten::einsum(equation, tensors)");

    public static Tensor MatMul(Tensor a, Tensor b) => matmul.One(a, b);
    /// <summary>beta x + alpha a b of matrices.</summary>
    public static Tensor AddMatMul(Tensor x, Tensor a, Tensor b, double beta, double alpha) => addmm.One(x, a, b, beta, alpha);
    public static Tensor Linear(Tensor x, Tensor weight, Tensor? bias = null) => linear.One(x, weight, bias);
    public static Tensor Conv3d(Tensor x, Tensor weight, Tensor? bias, ReadOnlySpan<long> stride, ReadOnlySpan<long> padding) =>
        conv3d.One(x, weight, bias, stride, padding);
    public static Tensor Conv2d(Tensor x, Tensor weight, Tensor? bias, ReadOnlySpan<long> stride, ReadOnlySpan<long> padding) =>
        conv2d.One(x, weight, bias, stride, padding);
    public static Tensor LayerNorm(Tensor x, long width, Tensor? weight, Tensor? bias, double eps) =>
        layerNorm.One(x, (ReadOnlySpan<long>)[width], weight, bias, eps);
    public static Tensor Softmax(Tensor x, int dim, Dtype? dtype = null) =>
        softmax.One(x, dim, dtype is { } d ? d : Value.None);
    public static Tensor Embedding(Tensor weight, Tensor indices) => embedding.One(weight, indices);
    public static Tensor Silu(Tensor x) => silu.One(x);
    /// <summary>GELU; in float32 inside, because libtorch's bfloat16 tanh form is several times slower on a CPU.</summary>
    public static Tensor Gelu(Tensor x, bool tanh) => tanh && Fused.Takes(x) ? Fused.Gelu(x)
        : gelu.One(x.Dtype == Dtype.BF16 ? x.To(Dtype.F32) : x, Value.Text(tanh ? "tanh" : "none")).To(x.Dtype);
    public static Tensor Sigmoid(Tensor x) => sigmoid.One(x);
    public static Tensor Relu(Tensor x) => relu.One(x);
    public static Tensor UpsampleNearest(Tensor x, long height, long width) => upsampleNearest.One(x, (ReadOnlySpan<long>)[height, width]);
    /// <summary>Cubic convolution with a = -0.75, pixel centres aligned, edges repeated; no antialias and no clamping.</summary>
    public static Tensor UpsampleBicubic(Tensor x, long height, long width) => upsampleBicubic.One(x, (ReadOnlySpan<long>)[height, width], false);
    /// <summary>Eigenvalues, ascending, and eigenvectors (columns) of symmetric matrices.</summary>
    public static (Tensor Values, Tensor Vectors) EigenSymmetric(Tensor x) => eigh.Two(x, Value.Text("L"));
    public static Tensor Einsum(string equation, params ReadOnlySpan<Tensor> tensors) => einsum.One(Value.Text(equation), Value.List(tensors));

    // ---- making tensors
    private static readonly Op zeros = new("aten::zeros(size, dtype)");
    private static readonly Op ones = new("aten::ones(size, dtype)");
    private static readonly Op full = new("aten::full(size, fill_value, dtype)");
    private static readonly Op zerosLike = new("aten::zeros_like(self)");
    private static readonly Op arange = new("aten::arange.start(start, end, dtype)");
    private static readonly Op randn = new("aten::randn.generator(size, generator, dtype)");

    public static Tensor Zeros(ReadOnlySpan<long> shape, Dtype dtype = Dtype.F32) => zeros.One(shape, dtype);
    public static Tensor Ones(ReadOnlySpan<long> shape, Dtype dtype = Dtype.F32) => ones.One(shape, dtype);
    public static Tensor Full(ReadOnlySpan<long> shape, double value, Dtype dtype = Dtype.F32) => full.One(shape, value, dtype);
    public static Tensor ZerosLike(Tensor x) => zerosLike.One(x);
    public static Tensor Arange(long start, long end, Dtype dtype = Dtype.I64) => arange.One(start, end, dtype);
    public static Tensor Randn(ReadOnlySpan<long> shape, Generator generator) => randn.One(shape, generator, Dtype.F32);

    // ---- dtype, device, autograd
    private static readonly Op toDtype = new("aten::to.dtype(self, dtype)");
    private static readonly Op toDevice = new("aten::to.device(self, device, dtype)");
    private static readonly Op detach = new("aten::detach(self)");
    private static readonly Op item = new("aten::item(self)");
    private static readonly Op requiresGrad = new("aten::requires_grad_(self, requires_grad)");
    private static readonly Op backward = new("aten::_backward(self, inputs, gradient)");

    public static Tensor ToDtype(Tensor x, Dtype dtype) => toDtype.One(x, dtype);
    public static Tensor ToDevice(Tensor x, string device) => toDevice.One(x, Value.Device(device), x.Dtype);
    public static Tensor Detach(Tensor x) => detach.One(x);
    internal static double ItemOf(Tensor x) => item.Number(x);
    internal static void SetRequiresGrad(Tensor x, bool wanted) => requiresGrad.Run(x, wanted);
    internal static void Backward(Tensor x, Tensor? gradient) => backward.Run(x, Value.List([]), gradient);

    // ---- in place, for parameters and buffers only; the underscore is libtorch's mark for it
    private static readonly Op copy_ = new("aten::copy_(self, src)");
    private static readonly Op zero_ = new("aten::zero_(self)");
    private static readonly Op add_ = new("aten::add_.Tensor(self, other, alpha)");
    private static readonly Op mul_ = new("aten::mul_.Scalar(self, other)");
    private static readonly Op lerp_ = new("aten::lerp_.Scalar(self, end, weight)");
    private static readonly Op addcmul_ = new("aten::addcmul_(self, tensor1, tensor2, value)");
    private static readonly Op addcdiv_ = new("aten::addcdiv_(self, tensor1, tensor2, value)");

    public static void Copy_(Tensor to, Tensor from) => copy_.Run(to, from);
    public static void Zero_(Tensor x) => zero_.Run(x);
    public static void Add_(Tensor x, Tensor other, double alpha = 1) => add_.Run(x, other, alpha);
    public static void Mul_(Tensor x, double factor) => mul_.Run(x, factor);
    public static void Lerp_(Tensor x, Tensor end, double weight) => lerp_.Run(x, end, weight);
    public static void AddCMul_(Tensor x, Tensor a, Tensor b, double value) => addcmul_.Run(x, a, b, value);
    public static void AddCDiv_(Tensor x, Tensor a, Tensor b, double value) => addcdiv_.Run(x, a, b, value);
}
